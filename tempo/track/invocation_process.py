"""Who carries out an invocation or a run, and whether they still do."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any

import psutil


def this_process() -> dict[str, Any]:
    """Identifies this process among all that ever ran on this host."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": psutil.Process().create_time(),
    }


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
