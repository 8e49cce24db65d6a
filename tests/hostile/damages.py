"""Damage a file of records in one of many ways."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path], None]

ABSURD = "../../../\\u001b[31m\\u0000" + "n" * 300


def missing(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(path.stat().st_size) + b"\n")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size) + b"\n")


def bad_utf8(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:20] + b"\xff\xfe\x80" + content[20:])


def _numbers_as(text: bytes) -> Damage:
    def change(path: Path) -> None:
        changed, count = re.subn(rb"(?<=[:\s,\[])\d+(?=[,\s\]}.])", text, path.read_bytes())
        path.write_bytes(changed if count else changed + text + b"\n")

    return change


def _texts_as(text: str) -> Damage:
    """Give every field that names something another value."""
    field = re.compile(rb'("(?:name|variant|run_id|study|profile|status|path)": ?)"[^"]*"')

    def change(path: Path) -> None:
        found = path.read_bytes()
        changed, count = field.subn(lambda match: match[1] + f'"{text}"'.encode(), found)
        path.write_bytes(changed if count else f"{text}\n".encode())

    return change


def nested(path: Path) -> None:
    path.write_bytes(b'{"a":' * 100_000 + b"\n")


def other_type(path: Path) -> None:
    path.write_bytes(b'[1, "two", null]\n')


def _instead(make: Callable[[Path], object]) -> Damage:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def _listen(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # The address of a socket is at most 107 bytes long.
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def huge(path: Path) -> None:
    """Claim five gigabytes, none of which the disk holds."""
    path.write_bytes(b"")
    os.truncate(path, 5 * 2**30)


DAMAGES: dict[str, Damage] = {
    "missing": missing,
    "empty": empty,
    "half": half,
    "garbage": garbage,
    "zeros": zeros,
    "bad UTF-8": bad_utf8,
    "numbers of 5,000 digits": _numbers_as(b"9" * 5000),
    "NaN": _numbers_as(b"NaN"),
    "infinity": _numbers_as(b"1e999"),
    "absurd names": _texts_as(ABSURD),
    "half characters": _texts_as("\\ud800"),
    "nested": nested,
    "other type": other_type,
    "folder": _instead(Path.mkdir),
    "named pipe": _instead(os.mkfifo),
    "link to itself": _instead(lambda path: path.symlink_to(path.name)),
    "link to nowhere": _instead(lambda path: path.symlink_to("nowhere")),
    "device": _instead(lambda path: path.symlink_to("/dev/zero")),
    "socket": _instead(_listen),
    "huge": huge,
}

PLAIN = ("missing", "empty", "half")
"""Damages that look like a file that is not written yet."""


def copy_of(folder: Path, target: Path) -> Path:
    """Copy a folder with everything in it."""
    shutil.copytree(folder, target, symlinks=True)
    return target
