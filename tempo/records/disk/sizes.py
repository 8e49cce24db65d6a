"""Measure what files and folders take."""

from __future__ import annotations

import os
from pathlib import Path


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; links are not followed, and what
    is gone by now counts nothing.

    >>> from pathlib import Path
    >>> from tempo.records.disk.sizes import size_of
    >>> _ = Path("kept").write_bytes(b"abc")
    >>> size_of(Path("kept"))
    3
    """
    try:
        if path.is_dir() and not path.is_symlink():
            with os.scandir(path) as entries:
                return sum(_of_entry(each) for each in entries)
        return path.lstat().st_size
    except OSError:
        return 0


def _of_entry(entry: os.DirEntry[str]) -> int:
    try:
        if entry.is_dir(follow_symlinks=False):
            return size_of(Path(entry.path))
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
