"""What kind of failure an exception is."""

from __future__ import annotations

import torch
import torch.distributed as dist

from tempo.core.errors import MissingError, RecordError, RunError


def failure_of(error: BaseException) -> str:
    """One of `tempo.core.records.FAILURES`."""
    if isinstance(error, RunError):
        return error.failure
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or _allocation(error):
        return "oom"
    if isinstance(error, dist.DistError) or _lost_peer(error):
        return "node"
    if isinstance(error, MissingError | RecordError | OSError):
        return "data"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "bug"


def _allocation(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def _lost_peer(error: BaseException) -> bool:
    text = str(error)
    signs = ("Connection closed by peer", "Connection reset by peer", "gloo", "NCCL", "nccl")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)
