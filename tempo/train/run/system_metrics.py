"""Sample CPU, memory and GPU use, under the names of MLflow's system metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec

import psutil
import torch

INTERVAL = 10.0
"""Seconds between two samples: a busy log is not worth a slower step."""

MEGABYTE = 1e6


class SystemMeter:
    """Samples the use of the CPU, the memory and, when training on one, the GPU.

    The processor's share is of the whole machine, since the last sample; memory of this process
    is that of the process and of those that prepare its batches.
    """

    def __init__(self, device: torch.device, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._next = 0.0
        self._process = psutil.Process()
        self._device = device
        psutil.cpu_percent()

    def sample(self) -> dict[str, float]:
        """Return metrics by name, each `system/...`; empty until the interval has passed."""
        now = time.monotonic()
        if now < self._next:
            return {}
        self._next = now + self._interval
        return {f"system/{name}": value for name, value in self._values()}

    def _values(self) -> Iterator[tuple[str, float]]:
        memory = psutil.virtual_memory()
        yield "cpu_utilization_percentage", psutil.cpu_percent()
        yield "system_memory_usage_megabytes", (memory.total - memory.available) / MEGABYTE
        yield "system_memory_usage_percentage", memory.percent
        yield "process_memory_usage_megabytes", self._resident() / MEGABYTE
        if self._device.type == "cuda":
            yield from _gpu_values(self._device)

    def _resident(self) -> int:
        family = [self._process, *self._process.children(recursive=True)]
        return sum(_resident(each) for each in family)


def _gpu_values(device: torch.device) -> Iterator[tuple[str, float]]:
    free, total = torch.cuda.mem_get_info(device)
    name = f"gpu_{device.index or 0}"
    yield f"{name}_memory_usage_megabytes", (total - free) / MEGABYTE
    yield f"{name}_memory_usage_percentage", 100 * (total - free) / total
    if find_spec("pynvml"):
        yield f"{name}_utilization_percentage", float(torch.cuda.utilization(device))
        yield f"{name}_power_usage_watts", torch.cuda.power_draw(device) / 1000


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
