"""Mark the trials of a search by kind, place parameters on an axis, cut off trials far outside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import quantiles
from typing import TYPE_CHECKING

from tempo.records.search_record import (
    ObjectiveInfo,
    ParameterInfo,
    SearchSummary,
    TrialRecord,
)
from tempo.report import search_trials as of
from tempo.report.figures.style import BAD, PAPER, SERIES, TEXT, UNSURE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOT = SERIES[0].light
MARKS = {
    "best": ("*", TEXT.light, True),
    "on the front": ("*", TEXT.light, True),
    "first trial": ("D", SERIES[1].light, True),
    "complete": ("o", DOT, True),
    "warm start": ("s", SERIES[2].light, True),
    "pruned": ("v", UNSURE.light, False),
    "raced out": (">", UNSURE.light, False),
    "running": (".", UNSURE.light, False),
    "failed": ("x", BAD.light, True),
}
WINNERS = {"best", "on the front"}


def kind(trial: TrialRecord, summary: SearchSummary) -> str:
    """Return the key of `MARKS` for a trial."""
    if trial.variant in (summary.front or summary.best):
        return "on the front" if summary.front else "best"
    if trial.raced:
        return "raced out"
    if trial.state in {"pruned", "failed", "running"}:
        return trial.state
    if trial.origin == "enqueued":
        return "first trial"
    return "warm start" if trial.origin == "warm_start" else "complete"


def scatter(axes: Axes, points: list[tuple[float, float, str]]) -> None:
    """Draw (x, y, kind) as one series a kind, labelled for a legend, the best on top."""
    for name, (marker, colour, filled) in reversed(MARKS.items()):
        chosen = [(x, y) for x, y, one in points if one == name]
        if chosen:
            axes.plot(
                *zip(*chosen, strict=True),
                marker,
                color=colour,
                markerfacecolor=colour if filled else PAPER.light,
                markersize=8.0 if name in WINNERS else 3.8,
                label=name,
                zorder=4 if name in WINNERS else 3,
                clip_on=False,
            )


def limit_values(axes: Axes, values: list[float], info: ObjectiveInfo) -> tuple[float, float, int]:
    """Set the vertical axis to a window of `values`; return its ends and the count outside."""
    low, high = window(values)
    axes.set_ylim(low, high)
    axes.set_ylabel(of.axis(info))
    axes.grid(axis="y")
    return low, high, sum(not low <= value <= high for value in values)


def cut_off(count: int) -> str:
    """Return what a caption says of trials beyond the axis."""
    if not count:
        return ""
    if count == 1:
        return "One trial beyond the axis is drawn at its edge."
    return f"{count} trials beyond the axis are drawn at its edge."


def fraction(parameter: ParameterInfo, value: str | float) -> float:
    """Return where `value` lies in the parameter's range, from 0 to 1; levels in equal steps."""
    if parameter.levels:
        last = max(1, len(parameter.levels) - 1)
        known = value in parameter.levels
        return parameter.levels.index(str(value)) / last if known else math.nan
    if parameter.low is None or parameter.high is None or isinstance(value, str):
        return math.nan
    low, high, at = parameter.low, parameter.high, float(value)
    if parameter.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low) if high > low else 0.5


def window(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis: all values up to three quartile ranges outside the quartiles."""
    if len(values) < 4:
        low, high = min(values), max(values)
    else:
        first, _, third = quantiles(values, n=4, method="inclusive")
        reach = 3 * (third - first)
        low, high = max(min(values), first - reach), min(max(values), third + reach)
    pad = 0.06 * (high - low) or max(1e-9, abs(high) * 0.01)
    return low - pad, high + pad
