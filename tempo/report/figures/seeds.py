"""Draw every seed of every variant in the primary metric, with the mean and its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable, references
from tempo.report.figures.figure_helpers import (
    Drawing,
    blank,
    interval_bars,
    name_rows,
    shown_variants,
)
from tempo.report.figures.style import QUIET
from tempo.report.formats import numbers
from tempo.report.formats.phrases import axis_label, percent, seeds_range, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 40


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Draw seeds as circles, their mean as a tick, the interval of the mean as a bar."""
    metric = comparison.metric
    have = [row.variant for row in comparison.rows if metric in row.estimates]
    shown = shown_variants(comparison, have, MOST)
    if not shown.names:
        return NotApplicable("no variant has finished a seed yet")
    figure, (axes,) = blank(0.75 + 0.21 * len(shown.names))
    for place, name in enumerate(shown.names):
        estimate = comparison.row(name).estimates[metric]
        colour = shown.styles[name].colour
        axes.plot(
            estimate.values,
            [place] * estimate.n,
            "o",
            color=colour,
            markerfacecolor="none",
            markersize=3.6,
            markeredgewidth=0.8,
            zorder=3,
        )
        interval_bars(axes, [(place, estimate)], colour)
        axes.plot([estimate.mean], [place], "|", color=colour, markersize=9, markeredgewidth=1.6)
    axes.margins(x=0.08)
    _references(axes, comparison)
    name_rows(axes, shown.tick_labels())
    axes.set_xlabel(axis_label(comparison.info(metric)))
    counts = [comparison.row(name).estimates[metric].n for name in shown.names]
    caption = sentences(
        f"Each seed of each variant on the {comparison.split} clips ({seeds_range(counts)}).",
        "Circle: one seed; tick: their mean; bar:",
        f"{percent(comparison.level)} t interval of the mean over seeds.",
        "Dotted or arrow: methods without weights." if references(comparison) else "",
        shown.omitted,
    )
    return Drawing(figure, caption)


def _references(axes: Axes, comparison: Comparison) -> None:
    """Draw dotted lines for the reference methods on the scale; name the others with an arrow.

    The scale is that of the trained variants: references far away would flatten it.
    """
    low, high = axes.get_xlim()
    off, inside = [], []
    for row in references(comparison):
        estimate = row.estimates.get(comparison.metric)
        if estimate is None:
            continue
        value = numbers.fixed(estimate.mean, comparison.info(comparison.metric).digits)
        if not low <= estimate.mean <= high:
            off.append((estimate.mean < low, f"{row.variant} {value}"))
            continue
        axes.axvline(estimate.mean, color=QUIET.light, linestyle=(0, (1, 1.5)), linewidth=0.9)
        inside.append((estimate.mean, f"{row.variant} {value}"))
    axes.set_xlim(low, high)
    if inside:
        first, last = min(inside), max(inside)
        middle = (first[0] + last[0]) / 2
        side = "left" if middle < low + (high - low) / 3 else "right"
        words = ", ".join(text for _, text in sorted(inside))
        # A line of its own where the arrow's words stand in the same corner.
        crowded = any(is_below == (side == "left") for is_below, _ in off)
        _above(axes, first[0] if side == "left" else last[0], words, side, "data", crowded)
    below = [text for is_below, text in off if is_below]
    above = [text for is_below, text in off if not is_below]
    if below:
        _above(axes, 0, "← " + ", ".join(below), "left", "axes fraction")
    if above:
        _above(axes, 1, ", ".join(above) + " →", "right", "axes fraction")


def _above(
    axes: Axes, x: float, text: str, side: str, coordinates: str, second: bool = False
) -> None:
    axes.annotate(
        text,
        (x, 1),
        xycoords=(coordinates, "axes fraction"),
        textcoords="offset points",
        xytext=(0, 12 if second else 3),
        ha=side,
        fontsize=7,
        color=QUIET.light,
    )
