"""Draw errors of edges and of motion over time: one panel a metric, all variants in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempo.compare.comparison import Comparison
from tempo.core.records import MetricInfo
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import (
    Drawing,
    ShownVariants,
    blank,
    interval_bars,
    name_rows,
    shown_variants,
)
from tempo.report.figures.style import QUIET, WIDE
from tempo.report.formats.phrases import axis_label, percent, seeds_range, sentences, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METRICS = {
    "edge": "edge error",
    "tof": "tOF",
    "warping": "warping error",
    "flicker": "flicker",
}
"""The metrics of this figure, and how captions call those that no run has."""

MOST = 20


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Draw the mean over seeds of each variant as a dot, its interval as a bar."""
    infos = [info for info in (*comparison.metrics, *comparison.panels) if info.name in METRICS]
    if not infos:
        return NotApplicable("no run was judged by edge error, tOF, warping error or flicker")
    have = [
        row.variant for row in comparison.rows if any(info.name in row.estimates for info in infos)
    ]
    shown = shown_variants(comparison, have, MOST, 22)
    if not shown.names:
        return NotApplicable("no variant has finished a seed yet")
    height = 0.62 + 0.19 * len(shown.names)
    figure, panels = blank(
        height, 1, len(infos), width=WIDE if len(infos) > 1 else 3.3, sharey=True
    )
    for axes, info in zip(panels, infos, strict=True):
        _panel(axes, comparison, shown, info)
        name_rows(axes, shown.tick_labels())
    return Drawing(figure, _caption(comparison, shown, infos))


def _panel(axes: Axes, comparison: Comparison, shown: ShownVariants, info: MetricInfo) -> None:
    for place, name in enumerate(shown.names):
        estimate = comparison.row(name).estimates.get(info.name)
        if estimate is None:
            continue
        look = shown.styles[name]
        interval_bars(axes, [(place, estimate)], look.colour)
        axes.plot([estimate.mean], [place], look.marker, color=look.colour, markersize=4)
    if comparison.baseline in shown.names:
        own = comparison.row(comparison.baseline).estimates.get(info.name)
        if own is not None:
            axes.axvline(own.mean, color=QUIET.light, linewidth=0.7, zorder=1)
    axes.margins(x=0.12)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel(axis_label(info))


def _caption(comparison: Comparison, shown: ShownVariants, infos: list[MetricInfo]) -> str:
    counts = [
        estimate.n
        for name in shown.names
        for info in infos
        if (estimate := comparison.row(name).estimates.get(info.name))
    ]
    names = {info.name for info in infos}
    absent = [label for name, label in METRICS.items() if name not in names]
    listed = ", ".join(title(info) for info in infos)
    return sentences(
        f"{listed[:1].upper()}{listed[1:]} on the {comparison.split} clips; less is better.",
        f"Mean over seeds ({seeds_range(counts)}); bar: {percent(comparison.level)} t interval of "
        "the mean; line: the baseline.",
        f"Not measured here: {', '.join(absent)}." if absent else "",
        shown.omitted,
    )
