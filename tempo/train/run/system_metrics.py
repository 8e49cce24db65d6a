"""Time and trace training steps, and sample CPU, memory and GPU use under MLflow's names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import torch
from torch.profiler import ProfilerActivity, profile

from tempo.records.events import Noted
from tempo.records.files import of_attempt

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
        family = [self._process, *self._process.children(recursive=True)]
        yield "process_memory_usage_megabytes", sum(map(_resident, family)) / MEGABYTE
        if self._device.type == "cuda":
            yield from _gpu_values(self._device)


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


class Phases:
    """The milliseconds of the phases of the last sampled step; others would make a GPU wait."""

    def __init__(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        self._sampling = False
        self._last = 0.0
        self.milliseconds: dict[str, float] = {}

    def begin(self, *, sample: bool) -> None:
        """Start a step, which is timed if `sample`."""
        self._sampling = sample
        if sample:
            self.milliseconds = {}
            self._last = self._now()

    def mark(self, name: str) -> None:
        """Add the time since the last mark to the phase `name`."""
        if self._sampling:
            now = self._now()
            spent = 1e3 * (now - self._last)
            self.milliseconds[name] = self.milliseconds.get(name, 0.0) + spent
            self._last = now

    def _now(self) -> float:
        if self._gpu:
            torch.cuda.synchronize()
        return time.perf_counter()


class StepProfiler:
    """Records the steps `first` to `last` (counted from 1) of an attempt; None records nothing."""

    def __init__(self, span: tuple[int, int] | None, folder: Path, attempt: int) -> None:
        self._span, self._folder, self._attempt = span, folder, attempt
        self._profile: profile | None = None

    def before(self, step: int) -> None:
        """Start profiling if `step`, which is about to start, is the first one."""
        if self._span is not None and self._profile is None and step == self._span[0]:
            activities = [ProfilerActivity.CPU]
            if torch.cuda.is_available():
                activities.append(ProfilerActivity.CUDA)
            self._profile = profile(activities=activities)
            self._profile.start()

    def after(self, step: int) -> Noted | None:
        """End profiling if `step` was the last one; return a note that names the trace."""
        if self._span is None or self._profile is None or step < self._span[1]:
            return None
        self._profile.stop()
        path = of_attempt(Path("profile") / f"steps-{self._span[0]}-{step}.json", self._attempt)
        (self._folder / path).parent.mkdir(exist_ok=True)
        self._profile.export_chrome_trace(str(self._folder / path))
        self._profile, self._span = None, None
        return Noted(step=step, topic="profile", message="profiler trace", path=str(path))
