"""Identify this process, and tell whether another process is alive."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

import psutil

from tempo.ledger.port import Hold, Owner

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def this_process() -> Owner:
    """Return the calling process, identified among all processes of all hosts and times."""
    pid = os.getpid()
    return Owner(
        host=socket.gethostname(), pid=pid, started=_started(pid) or 0.0, space=_space(pid)
    )


def is_dead(owner: Owner) -> bool:
    """Whether an owner is known to be gone. Of another host, or a pid namespace that this process
    does not share, nothing is known; a frozen process is not dead, a zombie is."""
    if not owner.space or owner.space != _space(os.getpid()):
        return False
    return _started(owner.pid) != owner.started


def is_active(hold: Hold | None) -> bool:
    """Whether the key is held by a process that is not known to be dead, and not expired."""
    return hold is not None and hold.held and hold.left > 0 and not is_dead(hold.owner)


@cache
def _space(pid: int) -> str:
    """Return a name of this boot and pid namespace; `pid` makes the cache miss after a fork."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()}/{psutil.boot_time():.0f}"


def _started(pid: int) -> float | None:
    """Return a process's start in seconds since boot; None when it is gone or a zombie."""
    if not Path("/proc/self/stat").is_file():
        return _started_elsewhere(pid)
    try:
        # The name of the command, in brackets, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19]) / _TICKS


def _started_elsewhere(pid: int) -> float | None:
    """Return the same on systems without /proc, in Unix seconds."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None
