"""Choose the ends of an axis so that no reference and no unsure interval stretches the axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

LEAST_SEEDS = 3
"""Seeds from which an interval counts: a t interval of two is 13 standard errors wide."""

WIDEST = 4.0
"""An interval that is more than this many times as wide as their median is cut."""

FURTHEST = 1.0
"""Intervals that are not sure widen the axis on each side by at most this share of the rest."""

PAD = 0.06
"""Share of the range that is left free on both sides."""


@dataclass(frozen=True, slots=True)
class Reach:
    """An interval, and the number of seeds that the interval rests on."""

    low: float | None
    high: float | None
    seeds: int


def axis_range(values: Sequence[float], reaches: Iterable[Reach] = ()) -> tuple[float, float]:
    """Return the ends of an axis that holds all `values`, and the intervals that are sure.

    An interval of fewer than 3 seeds, or one far wider than the others, may go beyond the ends:
    the figure then shows an arrow.
    """
    known = [
        (each.low, each.high, each.seeds)
        for each in reaches
        if each.low is not None and each.high is not None
    ]
    sure = [high - low for low, high, seeds in known if seeds >= LEAST_SEEDS]
    widest = WIDEST * median(sure) if sure else 0.0
    kept: list[float] = []
    others: list[float] = []
    for low, high, seeds in known:
        is_sure = seeds >= LEAST_SEEDS and high - low <= widest
        (kept if is_sure else others).extend((low, high))
    low, high = min((*values, *kept)), max((*values, *kept))
    span = high - low or max(abs(high) * 0.02, 1e-6)
    if others and not kept:
        low, high = (
            max(low - FURTHEST * span, min(low, *others)),
            min(high + FURTHEST * span, max(high, *others)),
        )
        span = high - low or span
    return low - PAD * span, high + PAD * span
