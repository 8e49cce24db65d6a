"""Draw quality against cost, with the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import Pareto
from tempo.report.applicability import NotApplicable
from tempo.report.figures.drawing import (
    Drawing,
    ShownVariants,
    blank,
    interval_bars,
    legend,
    shown_variants,
)
from tempo.report.figures.style import PAPER, QUIET
from tempo.report.formats import numbers
from tempo.report.formats.phrases import COST_NAMES, axis_label, percent, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Draw one panel a cost, two a line; all share the metric's axis."""
    views = [view for view in comparison.pareto if view.points]
    if not views:
        return NotApplicable("no variant has both a result and a recorded cost")
    shown = shown_variants(
        comparison, [point.variant for view in views for point in view.points], 12
    )
    lines = (len(views) + 1) // 2
    columns = min(2, len(views))
    figure, panels = blank(0.55 + 1.55 * lines, lines, columns, sharey=True)
    for axes, view in zip(panels, views, strict=False):
        _panel(axes, view, shown)
    for axes in panels[len(views) :]:
        axes.set_visible(False)
    info = comparison.info(views[0].metric)
    for axes in panels[::columns]:
        axes.set_ylabel(axis_label(info))
    legend(figure, panels[0])
    caption = sentences(
        "Quality against cost; the line joins the variants on the Pareto front by their means",
        "(filled: on it; open: dominated).",
        f"Bar: {percent(comparison.level)} interval of the mean over seeds.",
        shown.omitted,
    )
    return Drawing(figure, caption)


def _tick(value: float) -> str:
    return numbers.count(value) if value >= 1000 else f"{value:g}"


def _panel(axes: Axes, view: Pareto, shown: ShownVariants) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    points = [point for point in view.points if point.variant in shown.names]
    front = sorted((p for p in points if p.member), key=lambda point: point.cost)
    axes.plot(
        [p.cost for p in front],
        [p.value for p in front],
        color=QUIET.light,
        linewidth=0.7,
        drawstyle="steps-post",
        zorder=1,
    )
    for point in points:
        look = shown.styles[point.variant]
        interval_bars(axes, [(point.cost, point)], look.colour, vertical=True)
        axes.plot(
            [point.cost],
            [point.value],
            look.marker,
            linestyle="none",
            color=look.colour,
            markerfacecolor=look.colour if point.member else PAPER.light,
            markersize=4.8,
            label=shown.labels[point.variant],
            zorder=3,
        )
    name = COST_NAMES.get(view.cost, view.cost.replace("_", " "))
    axes.set_xlabel(f"{name} ({view.unit})" if view.unit not in {"", name} else name)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.margins(0.15)
    axes.grid()
