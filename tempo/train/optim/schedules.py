"""Learning rates as pure functions of the step, so that resuming needs no scheduler state."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tempo.spec.options import Options
from tempo.spec.recipe import Constant, Cosine, OneCycle, StepDecay

Curve = Callable[[Any, float, float], float]
"""(options, peak rate, share of the time after warmup, 0 to 1) -> rate."""


def _half_cosine(high: float, low: float, share: float) -> float:
    return low + (high - low) * (1 + math.cos(math.pi * share)) / 2


def _cosine(options: Cosine, peak: float, share: float) -> float:
    return _half_cosine(peak, min(options.min_lr, peak), share)


def _constant(options: Constant, peak: float, share: float) -> float:
    return peak


def _one_cycle(options: OneCycle, peak: float, share: float) -> float:
    return _half_cosine(peak, peak / options.end, share)


CURVES: dict[str, Curve] = {
    "constant": _constant,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
}


def learning_rate(options: Options, peak: float, warmup: int, steps: int, step: int) -> float:
    """The rate of step index `step` (from 0) of `steps`, after `warmup` steps at `peak`."""
    if isinstance(options, StepDecay):
        passed = sum(step >= part * steps for part in options.at)
        return peak * _rise(options, warmup, step) * options.factor**passed
    if step < warmup:
        return peak * _rise(options, warmup, step)
    share = (step - warmup) / max(1, steps - warmup)
    return CURVES[options.kind](options, peak, min(share, 1.0))


def _rise(options: Options, warmup: int, step: int) -> float:
    if step >= warmup:
        return 1.0
    if isinstance(options, OneCycle):
        return _half_cosine(1 / options.start, 1.0, step / warmup)
    return (step + 1) / warmup
