"""Find the videos or pictures below a folder, and name what is called so but is no such file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MediaFiles:
    """Regular files with one of some suffixes, sorted; `left_out` names the others, a sentence
    each."""

    files: tuple[Path, ...]
    left_out: tuple[str, ...]


def media_files(root: Path, suffixes: Iterable[str], *, below: bool = True) -> MediaFiles:
    """Return the files in `root`, and those `below`, that have one of `suffixes`, in any case.

    A folder, a link that leads nowhere or to itself, a named pipe, a file that may not be read and
    a name that is no UTF-8 are left out: opening them would fail, or wait for ever.
    """
    kinds = frozenset(suffixes)
    files, left_out = [], []
    for path in sorted(root.rglob("*") if below else root.iterdir()):
        if path.suffix.lower() not in kinds:
            continue
        problem = _problem(path)
        if problem is None:
            files.append(path)
        else:
            shown = str(path.relative_to(root)).encode(errors="backslashreplace").decode()
            left_out.append(f"{shown} {problem}")
    return MediaFiles(tuple(files), tuple(left_out))


def _problem(path: Path) -> str | None:
    """Return what keeps a path from being read as a file; None where nothing does."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "has a name that is no UTF-8"
    if path.is_dir():
        return "is a folder"
    if not path.exists():
        return "is a link that leads nowhere"
    if not path.is_file():
        return "is no regular file"
    return None if os.access(path, os.R_OK) else "may not be read"
