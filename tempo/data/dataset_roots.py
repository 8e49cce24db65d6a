"""Resolve the folder of a data set's files, read its lists of clips, and hash its files."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from filelock import FileLock

from tempo.core.errors import MissingError
from tempo.records.files import sha256_of, write_json

UNREADABLE = "unreadable"

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def resolve_root(text: str, what: str, field: str = "data.root", help_: str = "") -> Path:
    """Return the folder that `text` names, which may hold `~`, `${NAME}` and `${NAME:-default}`.

    The data set (`what`), the `field` that holds `text`, and `help_` are for the message.

    Raises:
        MissingError: for a variable that is not set and has no default, and for a missing folder.
    """
    end = f"; {help_}" if help_ else ""

    def value(found: re.Match[str]) -> str:
        name, default = found.groups()
        if name not in os.environ and default is None:
            raise MissingError(
                f"{field} is {text!r}, but the environment variable {name} is not set; "
                f"set it to the folder of {what}{end}"
            )
        return os.environ.get(name, default)

    folder = Path(_VARIABLE.sub(value, text)).expanduser()
    try:
        found = folder.is_dir()
    except PermissionError as error:
        raise MissingError(f"{folder} cannot be looked at: {error.strerror}{end}") from None
    if not found:
        full = os.path.normpath(folder.absolute())
        raise MissingError(f"{what}: {field} is {str(folder)!r}, {_absence(full, text)}{end}")
    return folder


def _absence(full: str, text: str) -> str:
    """Return why a folder cannot be used, and by which variable it would be another."""
    what = "which is no folder" if os.path.exists(full) else "which does not exist"  # noqa: PTH110
    chosen = "".join(
        f"; set {found[1]} to use another folder than {found[2]}"
        for found in _VARIABLE.finditer(text)
        if found[2] is not None and found[1] not in os.environ
    )
    return f"{what} (looked at {full}{chosen})"


def read_lines(path: Path, what: str, help_: str) -> list[str]:
    """Return the lines that are not blank, stripped, in order.

    The data set (`what`) and how to get it (`help_`) are for the message.

    Raises:
        MissingError: no such list, one that may not be read or is no text, or an empty one.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MissingError(f"{what}: cannot read {path} ({error.strerror}); {help_}") from None
    except UnicodeDecodeError:
        raise MissingError(f"{what}: {path} is not text; {help_}") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise MissingError(f"{what}: {path} names no sequence; {help_}")
    return lines


class Fingerprints:
    """Hash files by SHA-256, kept in `cache` by path, size and modification time.

    Hashing a terabyte at every start would be slow.
    """

    def __init__(self, cache: Path) -> None:
        self._path = cache / "fingerprints.json"

    def of(self, files: list[Path]) -> list[str]:
        """Return the hash of each file, in order, or the reason why it cannot be read."""
        known = self._read()
        keys = [self._key(file) for file in files]
        new = {key: _hash(file) for key, file in zip(keys, files, strict=True) if key not in known}
        readable = {key: text for key, text in new.items() if not text.startswith(UNREADABLE)}
        if readable:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path.with_suffix(".lock")):
                write_json(self._path, self._read() | readable)
        return [(known | new)[key] for key in keys]

    def _read(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        known: dict[str, str] = json.loads(self._path.read_text())
        return known

    @staticmethod
    def _key(file: Path) -> str:
        state = file.stat()
        return f"{file.resolve()}|{state.st_size}|{state.st_mtime_ns}"


def _hash(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError as error:
        return f"{UNREADABLE}: {error.strerror}"
