"""What this machine can run side by side."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch

from tempo.spec.study import RunConfig
from tempo.train.hardware.device import wants_cuda


def device_slots(configs: Iterable[RunConfig]) -> list[dict[str, str]]:
    """The environment of each slot: one per GPU, or one per `threads` CPU cores.

    A study whose runs disagree gets the slots of its most demanding run.
    """
    runtimes = [config.runtime for config in configs]
    if any(wants_cuda(runtime) for runtime in runtimes):
        return [{"CUDA_VISIBLE_DEVICES": name} for name in _visible_gpus()]
    threads = max((runtime.threads for runtime in runtimes), default=1)
    return [{} for _ in range(max(_cores() // threads, 1))]


def _visible_gpus() -> list[str]:
    """The GPUs this process may use, under the names its own environment gives them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    return [str(number) for number in range(torch.cuda.device_count())]


def _cores() -> int:
    """Cores this process may use, which is fewer than there are in a container or a job."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
