"""Who carries out an invocation or a run, and whether they still do."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout


def this_process() -> dict[str, Any]:
    """Identifies this process among all that ever ran on this host."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": psutil.Process().create_time(),
    }


def holds_lock(folder: Path) -> bool:
    """Whether a worker carries out the run in `folder` at this moment."""
    if not folder.is_dir():
        return False
    lock = FileLock(folder / "lock")
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


def is_dead(process: Mapping[str, Any]) -> bool:
    """Whether the process is known to be gone. Of another host nothing is known.

    An empty description is of no process at all.
    """
    if not process:
        return True
    if process.get("host") != socket.gethostname():
        return False
    try:
        return bool(abs(psutil.Process(process["pid"]).create_time() - process["born"]) > 1.0)
    except psutil.NoSuchProcess:
        return True
