"""Hash files, whole or by pieces, and remember the hashes by path, size and modification time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path

from filelock import FileLock

from tempo.records.files import write_json

UNREADABLE = "unreadable"

PIECE = 16 << 10
"""Bytes of each of the three pieces of a large file that are hashed."""

SMALL = 256 << 20
"""Bytes of a set of files up to which all of their content is hashed."""

THREADS = 8
"""Files that are hashed side by side: hashing runs outside Python's lock."""


class Fingerprints:
    """Hash files by SHA-256, kept in `cache` by path, size and modification time.

    Hashing a terabyte at every start would be slow. Without a cache every call reads the files. A
    file that cannot be read gives the reason instead of a hash.
    """

    def __init__(self, cache: Path | None) -> None:
        self._path = None if cache is None else cache / "fingerprints.json"

    def of(self, files: Sequence[Path]) -> list[str]:
        """Return the hash of the whole content of each file, in order."""
        return self._hashes(files, _whole, "")

    def pieces_of(self, files: Sequence[Path]) -> list[str]:
        """Return a hash of the size, beginning, middle and end of each file, in order.

        The end of a PNG file holds a checksum of all its pixels, so that another picture is
        noticed wherever it differs.
        """
        return self._hashes(files, _pieces, "|pieces")

    def contents_of(self, files: Sequence[Path]) -> list[str]:
        """Return `of` for files that are `SMALL` together, else `pieces_of`."""
        if sum(_state(file)[0] for file in files) <= SMALL:
            return self.of(files)
        return self.pieces_of(files)

    def _hashes(
        self, files: Sequence[Path], hash_file: Callable[[Path], str], how: str
    ) -> list[str]:
        known = self._read()
        keys = [_key(file) + how for file in files]
        asked = {key: file for key, file in zip(keys, files, strict=True) if key not in known}
        with ThreadPoolExecutor(THREADS) as pool:
            hashes = pool.map(lambda file: _hashed(file, hash_file), asked.values())
            new = dict(zip(asked, hashes, strict=True))
        self._keep({key: text for key, text in new.items() if not text.startswith(UNREADABLE)})
        return [new[key] if key in new else known[key] for key in keys]

    def _keep(self, new: dict[str, str]) -> None:
        if new and self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path.with_suffix(".lock")):
                write_json(self._path, self._read() | new)

    def _read(self) -> dict[str, str]:
        if self._path is None or not self._path.exists():
            return {}
        with suppress(ValueError, OSError):  # It is only a cache.
            known = json.loads(self._path.read_text())
            return known if isinstance(known, dict) else {}
        return {}


CHECKED = 512
"""Sequences of a training or validation split that are looked into."""


def looked_into(names: Sequence[str], *, every: bool) -> list[str]:
    """Return the sequences whose content tells what a split is: all, or `CHECKED` evenly spread.

    Where one sequence in a hundred is another, `CHECKED` of many miss it once in 170 times.
    """
    if every or len(names) <= CHECKED:
        return list(names)
    return [names[place * len(names) // CHECKED] for place in range(CHECKED)]


def _state(file: Path) -> tuple[int, int]:
    """Return size and modification time of a file, -1 where it cannot be looked at."""
    try:
        state = file.stat()
    except OSError:
        return -1, -1
    return state.st_size, state.st_mtime_ns


def _key(file: Path) -> str:
    size, changed = _state(file)
    return f"{file.resolve()}|{size}|{changed}"


def _hashed(file: Path, hash_file: Callable[[Path], str]) -> str:
    try:
        # Opening a named pipe would wait for ever.
        return hash_file(file) if file.is_file() else f"{UNREADABLE}: no such file"
    except OSError as error:
        return f"{UNREADABLE}: {error.strerror}"


def _whole(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()


def _pieces(file: Path) -> str:
    size = file.stat().st_size
    digest = sha256(f"{size} ".encode())
    with file.open("rb") as opened:
        if size <= 3 * PIECE:
            digest.update(opened.read())
        else:
            for start in (0, (size - PIECE) // 2, size - PIECE):
                opened.seek(start)
                digest.update(opened.read(PIECE))
    return digest.hexdigest()
