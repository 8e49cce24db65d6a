"""Time the phases of sampled steps; others are not timed, because that makes a GPU wait."""

from __future__ import annotations

import time

import torch


class Phases:
    """The milliseconds of the phases of the last sampled step."""

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
