"""Write files atomically, read them under limits of size and kind, and hash them."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from tempo.core.errors import FormatError, RecordError
from tempo.records.drafts import abandoned_drafts, draft_of
from tempo.records.json_text import parse_json, shown

FORMAT = 3
"""The format that runs, their events and plans are written in. Those without a number are of format
1, which differs from 2 in nothing else. Format 3 added the parents of runs, and the hash of the
weights that were judged."""

MIB: Final = 2**20
SMALL = 64 * MIB
"""Most bytes of a file of records, such as a plan of ten thousand runs, that is read at once."""
LARGE = 4096 * MIB
"""Most bytes of a table of clips, a log of events or a checkpoint."""


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` on a temporary file beside `path`, flush it to disk, then rename it to `path`.

    The temporary name holds the process id, so two processes never share one.

    Raises:
        RecordError: when a folder stands where the file belongs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = draft_of(path)
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        _replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write several files, by their paths in `folder`; where one cannot be, none is changed.

    All are on the disk under temporary names before the first takes its place, so a disk that is
    full leaves what was there. The last named is replaced last. What a process left that was killed
    in the middle of this is removed.

    Raises:
        OSError, RecordError: as `write_atomic`.
    """
    for left in abandoned_drafts(folder):
        left.unlink(missing_ok=True)
    drafts: dict[Path, Path] = {}
    try:
        for name, content in files.items():
            path = folder / name
            draft = drafts[path] = draft_of(path)
            write_atomic(draft, partial(_write, content))
        for path, draft in drafts.items():
            _replace(draft, path)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _replace(draft: Path, path: Path) -> None:
    try:
        draft.replace(path)
    except IsADirectoryError as error:
        raise RecordError(
            f"{path} is a folder where a file belongs; move it away or delete it"
        ) from error


def of_attempt(path: Path, attempt: int) -> Path:
    """Return `path` with the attempt in its name: attempts never share a file, so one that runs on
    after another took its run over damages nothing."""
    return path.with_stem(f"{path.stem}-a{attempt:04d}")


def attempt_of(path: Path) -> int:
    """Return the attempt in a file's name; 0 when there is none."""
    number = path.stem.rpartition("-a")[2]
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 16 else 0


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_atomic(path, lambda file: file.write(text.encode()))


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def is_there(path: Path) -> bool:
    """Tell whether a file is at `path`; False where nothing is.

    Every reader of records asks here before it reads: what is there and is no file is damage that
    has to be named, where `Path.is_file` would pass over it.

    Raises:
        RecordError: when something else is there, such as a folder, a named pipe, or a link that
            leads nowhere or to itself; when the folder cannot be searched.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if not path.is_symlink():
            return False
        raise RecordError(f"{path} is a link that leads nowhere") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if stat.S_ISREG(mode):
        return True
    kind = next((name for test, name in _KINDS if test(mode)), "no file")
    raise RecordError(f"{path} is {kind} where a file belongs")


def open_file(path: Path, limit: int = LARGE) -> BinaryIO:
    """Open a file of records for reading; never waits, as opening a named pipe would.

    Raises:
        RecordError: when it is absent, no regular file, larger than `limit` bytes, or unreadable.
    """
    if not is_there(path):
        raise RecordError(f"{path} is missing")
    try:
        # What is there may change between the look and the opening: look again at what was opened.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
        os.close(number)
        if stat.S_ISREG(found.st_mode):
            raise RecordError(
                f"{path} has {found.st_size:,} bytes, and at most {limit:,} are read of such a file"
            )
        raise RecordError(f"{path} is no file any more")
    return os.fdopen(number, "rb")


def _unreadable(path: Path, error: Exception) -> RecordError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return RecordError(f"{shown(str(path), 200)} cannot be read: {reason}")


def read_bytes(path: Path, limit: int = SMALL) -> bytes:
    """Read a whole file of records.

    Raises:
        RecordError: as `open_file`.
    """
    with open_file(path, limit) as file:
        try:
            # A file that grows while it is read must not exceed the limit either.
            content = file.read(limit + 1)
        except OSError as error:
            raise _unreadable(path, error) from error
    if len(content) > limit:
        raise RecordError(f"{path} grew beyond the {limit:,} bytes that are read of such a file")
    return content


def read_json(path: Path, limit: int = SMALL) -> Any:
    """Read a file of records that holds one JSON value.

    Raises:
        RecordError: when it cannot be read, or breaks a rule of `parse_json`.
    """
    try:
        return parse_json(read_bytes(path, limit))
    except ValueError as error:
        raise RecordError(f"{path} is damaged: {error}") from error


def read_object(path: Path, limit: int = SMALL) -> dict[str, Any]:
    """Read a file of records that holds one JSON object.

    Raises:
        RecordError: when it cannot be read, or holds something else.
    """
    value = read_json(path, limit)
    if not isinstance(value, dict):
        raise RecordError(f"{path} is damaged: it holds {shown(value)}, not a JSON object")
    return value


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hex.

    Raises:
        RecordError: as `open_file`.
    """
    with open_file(path) as file:
        return hashlib.file_digest(cast(BufferedReader, file), "sha256").hexdigest()


def inside(folder: Path, text: str) -> Path:
    """Return the file that a record names by its path relative to `folder`.

    Raises:
        RecordError: when the path leads out of the folder, so that nothing foreign is ever read.
    """
    parts = Path(text).parts
    if not text or "\0" in text or Path(text).is_absolute() or ".." in parts:
        raise RecordError(f"{shown(text)} is no path below {folder}")
    return folder / text


def take_format(value: Any, path: Path) -> dict[str, Any]:
    """Remove the format number from a record that was read at `path`; return the record.

    Raises:
        FormatError: when a newer version of Tempo wrote the record.
        ValueError: when the value is no record.
    """
    if not isinstance(value, dict):
        raise ValueError(f"it holds {shown(value)}, not a JSON object")  # noqa: TRY004
    number = value.pop("format", 1)
    if type(number) is not int or number < 1:
        raise ValueError(f"its format is {shown(number)}, not a whole number from 1 on")
    if number > FORMAT:
        raise FormatError(
            f"{path} was written by a newer version of Tempo: its format is {number}, and this "
            f"version reads formats up to {FORMAT}; install the newer version of Tempo to use the "
            "records, or give this version a folder of its own with --records or TEMPO_RECORDS"
        )
    return value
