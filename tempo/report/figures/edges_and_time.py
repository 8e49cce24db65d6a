"""Errors of edges and of motion over time: one panel a metric, all variants in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempo.compare.comparison import Comparison
from tempo.core.records import MetricInfo
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Cast, Drawing, blank, cast, whisker
from tempo.report.figures.style import QUIET, WIDE
from tempo.report.formats.phrases import axis_label, percent, seeds_range, sentences, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = {
    "edge": "edge error",
    "tof": "tOF",
    "warping": "warping error",
    "flicker": "flicker",
}
"""The metrics of this figure, and what they are called where no run has them."""

LIMIT = 20


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Dots: means over seeds. Bars: their intervals. References are drawn where they fit."""
    infos = [info for info in (*comparison.metrics, *comparison.panels) if info.name in SHOWN]
    if not infos:
        return NotApplicable("no run was judged by edge error, tOF, warping error or flicker")
    have = [
        row.variant for row in comparison.rows if any(info.name in row.estimates for info in infos)
    ]
    players = cast(comparison, have, LIMIT, 22)
    if not players.names:
        return NotApplicable("no variant has finished a seed yet")
    height = 0.62 + 0.19 * len(players.names)
    figure, panels = blank(
        height, 1, len(infos), width=WIDE if len(infos) > 1 else 3.3, sharey=True
    )
    for axes, info in zip(panels, infos, strict=True):
        _panel(axes, comparison, players, info)
    panels[0].set_yticks(range(len(players.names)), [players.labels[n] for n in players.names])
    panels[0].set_ylim(len(players.names) - 0.4, -0.6)
    return Drawing(figure, _caption(comparison, players, infos))


def _panel(axes: Axes, comparison: Comparison, players: Cast, info: MetricInfo) -> None:
    for place, name in enumerate(players.names):
        estimate = comparison.row(name).estimates.get(info.name)
        if estimate is None:
            continue
        look = players.looks[name]
        low, high = [estimate.low], [estimate.high]
        whisker(axes, [estimate.mean], [place], low, high, vertical=False, colour=look.colour)
        axes.plot([estimate.mean], [place], look.marker, color=look.colour, markersize=4)
    if comparison.baseline in players.names:
        own = comparison.row(comparison.baseline).estimates.get(info.name)
        if own is not None:
            axes.axvline(own.mean, color=QUIET.light, linewidth=0.7, zorder=1)
    axes.margins(x=0.12)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel(axis_label(info))


def _caption(comparison: Comparison, players: Cast, infos: list[MetricInfo]) -> str:
    counts = [
        estimate.n
        for name in players.names
        for info in infos
        if (estimate := comparison.row(name).estimates.get(info.name))
    ]
    names = {info.name for info in infos}
    absent = [label for name, label in SHOWN.items() if name not in names]
    listed = ", ".join(title(info) for info in infos)
    return sentences(
        f"{listed[:1].upper()}{listed[1:]} on the {comparison.split} clips; less is better.",
        f"Mean over seeds ({seeds_range(counts)}); bar: {percent(comparison.level)} t interval of "
        "the mean; line: the baseline.",
        f"Not measured here: {', '.join(absent)}." if absent else "",
        players.omitted,
    )
