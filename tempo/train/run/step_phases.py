"""Where the time of a step goes. Only sampled steps are timed: on a GPU, timing makes it wait."""

from __future__ import annotations

import time

import torch


class Phases:
    """Milliseconds of the parts of the last sampled step."""

    def __init__(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        self._sampling = False
        self._last = 0.0
        self.milliseconds: dict[str, float] = {}

    def begin(self, *, sample: bool) -> None:
        """A step starts; `sample` says whether it is timed."""
        self._sampling = sample
        if sample:
            self.milliseconds = {}
            self._last = self._now()

    def mark(self, name: str) -> None:
        """What ran since the last mark belongs to `name`."""
        if self._sampling:
            now = self._now()
            spent = 1e3 * (now - self._last)
            self.milliseconds[name] = self.milliseconds.get(name, 0.0) + spent
            self._last = now

    def _now(self) -> float:
        if self._gpu:
            torch.cuda.synchronize()
        return time.perf_counter()
