"""Decide which training steps are skipped and when to roll back to a checkpoint."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from enum import Enum
from statistics import median
from typing import Any

from tempo.spec.recipe import Guard as Options


class Verdict(Enum):
    """The verdict on one step: applied, skipped, or the guard's policy has to act."""

    SOUND = "sound"
    SKIPPED = "skipped"
    ACT = "act"


class RollBack(Exception):  # noqa: N818 (a course of action, not an error)
    """Raised to resume training from the last checkpoint with a lower learning rate."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(reason)
        self.step, self.reason = step, reason


class Guard:
    """Counts skipped steps in a row; its state is part of a checkpoint."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._losses: deque[float] = deque(maxlen=options.window)
        self._strikes = 0

    @property
    def ceiling(self) -> float:
        """Return the loss above which a step is skipped; infinite until enough losses are known."""
        factor = self.options.divergence
        if factor is None or len(self._losses) < self.options.window:
            return math.inf
        return factor * median(self._losses)

    def judge(self, loss: float, *, applied: bool, excused: bool = False) -> Verdict:
        """Record a step and return the verdict. `excused`: skipped by the fp16 scaler while that
        finds its scale, which is no strike."""
        if applied:
            self._strikes = 0
            if self.options.divergence is not None:
                self._losses.append(loss)
            return Verdict.SOUND
        if not excused:
            self._strikes += 1
        acts = self._strikes >= self.options.strikes and self.options.policy != "skip"
        return Verdict.ACT if acts and not excused else Verdict.SKIPPED

    def forget(self) -> None:
        """Forget the losses so far, as what is minimised changes; strikes in a row stay."""
        self._losses.clear()

    def state(self) -> dict[str, Any]:
        return {"losses": list(self._losses), "strikes": self._strikes}

    def load(self, state: Mapping[str, Any]) -> None:
        self._losses = deque(state["losses"], maxlen=self.options.window)
        self._strikes = int(state["strikes"])
