"""Write files atomically, and hash them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from tempo.core.errors import FormatError

FORMAT = 3
"""The format that runs, their events and plans are written in. Those without a number are of format
1, which differs from 2 in nothing else. Format 3 added the parents of runs, and the hash of the
weights that were judged."""


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` on a temporary file beside `path`, flush it to disk, then rename it to `path`.

    The temporary name holds the process id, so two processes never share one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def of_attempt(path: Path, attempt: int) -> Path:
    """Return `path` with the attempt in its name: attempts never share a file, so one that runs on
    after another took its run over damages nothing."""
    return path.with_stem(f"{path.stem}-a{attempt:04d}")


def attempt_of(path: Path) -> int:
    """Return the attempt in a file's name; 0 when there is none."""
    number = path.stem.rpartition("-a")[2]
    return int(number) if number.isdecimal() else 0


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_atomic(path, lambda file: file.write(text.encode()))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take_format(value: dict[str, Any], path: Path) -> dict[str, Any]:
    """Remove the format number from a record that was read at `path`; return the record.

    Raises:
        FormatError: when a newer version of Tempo wrote the record.
    """
    number = value.pop("format", 1)
    if number > FORMAT:
        raise FormatError(
            f"{path} was written by a newer version of Tempo: its format is {number}, and this "
            f"version reads formats up to {FORMAT}; install the newer version of Tempo to use the "
            "records, or give this version a folder of its own with --records or TEMPO_RECORDS"
        )
    return value
