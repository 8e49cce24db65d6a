"""Read the texts around records for what they name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_WORD = re.compile(rb"(?<![0-9A-Za-z])[0-9a-f]{8,32}(?![0-9A-Za-z])")
"""Anything that may be a run_id."""


def run_ids_in(paths: Iterable[Path]) -> set[str]:
    """Return every word in files that may be a run_id."""
    return {word.decode() for path in paths for word in _WORD.findall(content_of(path))}


def content_of(path: Path) -> bytes:
    """Return the content of a file; nothing of a folder, or of a file that is gone by now."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""
