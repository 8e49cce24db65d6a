"""Name the files that are being written, and find those that a killed process left behind."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

SETTLED = 60.0
"""Seconds after which a draft without a living process counts as abandoned: the id of a process of
another host means nothing here, and writing no file takes that long."""

_DRAFT = re.compile(r"\..+\.(\d+)\.tmp")


def draft_of(path: Path) -> Path:
    """Return the name under which this process writes a file before the file takes its place."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def is_draft(path: Path) -> bool:
    """Return whether a file is being written, or was when its process was killed."""
    return _DRAFT.fullmatch(path.name) is not None


def abandoned_drafts(folder: Path) -> Iterator[Path]:
    """Yield the drafts in a folder, and in those below it, that no process is writing any more."""
    # Imported late: most who read records name no draft.
    import psutil

    for path in folder.rglob(".*.tmp"):
        found = _DRAFT.fullmatch(path.name)
        if found is None or psutil.pid_exists(int(found[1])):
            continue
        try:
            old = time.time() - path.stat().st_mtime > SETTLED
        except OSError:
            continue
        if old:
            yield path
