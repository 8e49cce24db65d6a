"""Classify exceptions as kinds of failure: oom, data, node, bug ..."""

from __future__ import annotations

import torch
import torch.distributed as dist

from tempo.core.errors import LedgerError, MissingError, RecordError, RunError


def failure_of(error: BaseException) -> str:
    """Return the failure class of an exception, one of `tempo.core.records.FAILURES`."""
    if isinstance(error, RunError):
        return error.failure
    if out_of_memory(error):
        return "oom"
    if isinstance(error, MissingError | RecordError | FileNotFoundError | PermissionError):
        return "data"
    if isinstance(error, dist.DistError | OSError | LedgerError) or _lost_peer(error):
        return "node"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "bug"


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that a device or this machine is out of memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def _lost_peer(error: BaseException) -> bool:
    text = str(error)
    signs = ("Connection closed by peer", "Connection reset by peer", "gloo", "NCCL", "nccl")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)
