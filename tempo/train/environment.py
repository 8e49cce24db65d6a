"""What is recorded beside a result: the machine, the versions, the code and the data."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from functools import cache
from typing import Any

from tempo.core.provenance import PACKAGE, commit, version_of

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
        "tempo": version_of("tempo-vfi"),
        "cuda": torch.version.cuda,
        "code_stamp": code_stamp(),
        **commit(),
    }
