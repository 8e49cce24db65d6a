"""Draw where a gain comes from: a waterfall from one variant to another, factor by factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Attribution, Interval
from tempo.report.applicability import NotApplicable
from tempo.report.figures.axes import blank, name_rows
from tempo.report.figures.figure_helpers import Drawing
from tempo.report.figures.style import BAD, GOOD, QUIET, TEXT, UNSURE
from tempo.report.formats import numbers
from tempo.report.formats.phrases import axis_label, interval_kind, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: from `left`, `change` wide. `kind`: factor, missing or interaction."""

    label: str
    left: float
    change: Interval | None
    kind: str


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Stack what each factor adds alone on the start's mean; the remainder is the interaction."""
    found = comparison.attribution
    if found is None:
        return NotApplicable("the study does not ask how one variant becomes another")
    start = comparison.row(found.start).estimates.get(found.metric)
    end = comparison.row(found.end).estimates.get(found.metric)
    if start is None or end is None:
        return NotApplicable("one end of the attribution has not finished")
    bars = stack(found, start.mean)
    figure, (axes,) = blank(0.75 + 0.24 * (len(bars) + 2))
    digits = comparison.info(found.metric).digits
    _end(axes, 0, start.mean)
    for place, bar in enumerate(bars, start=1):
        _bar(axes, place, bar, digits)
    _end(axes, len(bars) + 1, end.mean)
    ticks = [found.start, *(bar.label for bar in bars), found.end]
    name_rows(axes, [numbers.shorten(tick, 26) for tick in ticks])
    axes.use_sticky_edges = False
    axes.margins(x=0.12)
    axes.set_xlabel(axis_label(comparison.info(found.metric)))
    some = next((bar.change for bar in bars if bar.change is not None), None)
    caption = sentences(
        f"From {found.start} to {found.end}: what each factor adds alone to the start,",
        "and the interaction that is left over (hatched).",
        interval_kind(some, "Line"),
    )
    return Drawing(figure, caption)


def stack(found: Attribution, start: float) -> list[Bar]:
    """Return the bars, each from the end of the bar before; an unfinished arm takes no width."""
    bars, at = [], start
    for rung in found.add_in:
        bars.append(Bar(rung.factor, at, rung.change, "factor" if rung.change else "missing"))
        at += rung.change.value if rung.change else 0.0
    if found.residual is not None:
        bars.append(Bar("interaction", at, found.residual, "interaction"))
    return bars


def _end(axes: Axes, place: int, level: float) -> None:
    axes.plot([level], [place], "D", color=TEXT.light, markersize=4.5)
    axes.axvline(level, color=QUIET.light, linewidth=0.5, linestyle=(0, (2, 2)), zorder=0)


def _bar(axes: Axes, place: int, bar: Bar, digits: int) -> None:
    if bar.change is None:
        axes.annotate("not finished", (bar.left, place), fontsize=7, va="center", color=QUIET.light)
        return
    value = bar.change.value
    paint: dict[str, Any]
    colour = GOOD.light if value >= 0 else BAD.light
    if bar.kind == "interaction":
        paint = {"facecolor": "none", "edgecolor": UNSURE.light, "hatch": "////", "linewidth": 0.7}
    else:
        paint = {"color": colour, "alpha": 0.75, "linewidth": 0}
    axes.barh(place, value, left=bar.left, height=0.56, **paint)
    low, high = bar.change.low, bar.change.high
    far = bar.left + max(value, 0.0)
    if low is not None and high is not None:
        axes.plot([bar.left + low, bar.left + high], [place] * 2, color=TEXT.light, linewidth=0.8)
        far = max(far, bar.left + high)
    axes.annotate(
        numbers.signed(value, digits),
        (far, place),
        textcoords="offset points",
        xytext=(3, 0),
        va="center",
        fontsize=7,
    )
