"""What is recorded beside a result: the machine, the versions, the code and the data."""

from __future__ import annotations

import os
import platform
import socket
from functools import cache
from typing import Any

from tempo.core.code_stamp import code_stamp
from tempo.core.provenance import commit, version_of

code_stamp()  # Of the sources as they are now, when they are imported: a fork keeps it.


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
