"""Set up the process of a worker: its thread pools, and its end with the parent process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Option of prctl(2): the signal that this process receives when its parent dies."""


def die_with_parent() -> None:
    """Have this process receive SIGTERM when its parent ends, even by SIGKILL (Linux only)."""
    parent = os.getppid()
    # Windows has no library of that name, and macOS no such function.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The parent may have ended before the request was made.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def limit_threads(count: int) -> None:
    """Fix the size of every thread pool; those that numpy opened when it was imported stay."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(count)
    # A fork of a server has torch loaded, which looks at the environment no more.
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
