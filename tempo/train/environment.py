"""What is recorded beside a result: the machine, the versions, the code and the data."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tempo

PACKAGE = Path(next(iter(tempo.__path__)))
STAMPED = ("data", "losses", "metrics", "models", "train")
"""The packages whose sources decide a result."""


@cache
def code_stamp() -> str:
    """A hash of the sources that decide a result: equal stamps, equal code."""
    digest = hashlib.sha256()
    for package in STAMPED:
        for path in sorted((PACKAGE / package).rglob("*.py")):
            digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _git(*words: str) -> str | None:
    command = ["git", "-C", str(PACKAGE), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache
def commit() -> dict[str, Any]:
    """The commit of a checkout, and whether files differ from it; empty when installed."""
    head = _git("rev-parse", "HEAD")
    if head is None:
        return {}
    return {"commit": head, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def host() -> dict[str, Any]:
    """What stays the same for all runs of this process."""
    import numpy as np
    import torch

    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "tempo": _version("tempo-vfi"),
        "cuda": torch.version.cuda,
        "code_stamp": code_stamp(),
        **commit(),
    }
