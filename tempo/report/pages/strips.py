"""Lay out the forest beside the first table: one strip a row on one axis, in percent of its width.

Rows keep their strip when the table is sorted or printed, so the forest never leaves its names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tempo.comparison.statistics.quantities import Interval, Word
from tempo.report.formats import numbers

MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Strip:
    """A piece of the forest; places are percentages from the left, None where nothing is drawn.

    `off`: "low" or "high" where the value lies beyond the axis, which `text` then says at the edge;
    `cut_low` and `cut_high`: the interval goes on beyond. `told` is shown on hover.
    """

    at: float | None = None
    low: float | None = None
    high: float | None = None
    word: str = ""
    off: str = ""
    text: str = ""
    cut_low: bool = False
    cut_high: bool = False
    told: str = ""


@dataclass(frozen=True, slots=True)
class Ticks:
    """The axis of the forest: places and labels, zero, and the band of no difference."""

    labels: tuple[tuple[float, str], ...]
    zero: float
    band: tuple[float, float] | None


def strip(
    change: Interval | None, word: Word, ends: tuple[float, float], digits: int, told: str
) -> Strip:
    """Return the strip of a difference on an axis from `ends[0]` to `ends[1]`."""
    if change is None:
        return Strip()
    low, high = ends
    value = change.value
    if not low <= value <= high:
        off = "low" if value < low else "high"
        return Strip(word=word.value, off=off, text=numbers.signed(value, digits), told=told)
    start, end = change.low, change.high
    if start is None or end is None:
        return Strip(at=_percent(value, ends), word=word.value, told=told)
    return Strip(
        at=_percent(value, ends),
        low=_percent(max(low, start), ends),
        high=_percent(min(high, end), ends),
        word=word.value,
        cut_low=start < low,
        cut_high=end > high,
        told=told,
    )


def _percent(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return round(100 * (value - low) / (high - low), 2)


def ticks(ends: tuple[float, float], delta: float | None) -> Ticks:
    """Return round ticks of an axis, at most six, zero among them."""
    low, high = ends
    step = _step((high - low) / MOST_TICKS)
    first, last = math.ceil(low / step), math.floor(high / step)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    labels = [(_percent(i * step, ends), numbers.signed(i * step, places))
              for i in range(first, last + 1)]  # fmt: skip
    band = None if delta is None else (_percent(-delta, ends), _percent(delta, ends))
    return Ticks(tuple(labels), _percent(0.0, ends), band)


def _step(least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))
