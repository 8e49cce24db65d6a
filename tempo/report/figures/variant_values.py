"""Draw the values of variants: every seed, errors of edges and of time, quality against cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import Pareto
from tempo.core.records import MetricInfo
from tempo.report.figures import drawing
from tempo.report.figures.drawing import ShownVariants
from tempo.report.figures.style import QUIET, WIDE
from tempo.report.formats import numbers, phrases
from tempo.report.formats.table import NotApplicable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 40


def draw_seeds(comparison: Comparison) -> drawing.Drawing | NotApplicable:
    """Draw seeds as circles, their mean as a tick, the interval of the mean as a bar."""
    metric = comparison.metric
    have = [row.variant for row in comparison.rows if metric in row.estimates]
    shown = drawing.shown_variants(comparison, have, MOST)
    if not shown.names:
        return NotApplicable("no variant has finished a seed yet")
    figure, (axes,) = drawing.blank(0.75 + 0.21 * len(shown.names))
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
        drawing.interval_bars(axes, [(place, estimate)], colour)
        axes.plot([estimate.mean], [place], "|", color=colour, markersize=9, markeredgewidth=1.6)
    axes.margins(x=0.08)
    _references(axes, comparison)
    drawing.name_rows(axes, shown.tick_labels())
    axes.set_xlabel(phrases.axis_label(comparison.info(metric)))
    counts = [comparison.row(name).estimates[metric].n for name in shown.names]
    seeds = phrases.seeds_range(counts)
    caption = phrases.sentences(
        f"Each seed of each variant on the {comparison.split} clips ({seeds}).",
        "Circle: one seed; tick: their mean; bar:",
        f"{phrases.percent(comparison.level)} t interval of the mean over seeds.",
        "Dotted or arrow: methods without weights." if comparison.references else "",
        shown.omitted,
    )
    return drawing.Drawing(figure, caption)


def _references(axes: Axes, comparison: Comparison) -> None:
    """Draw references within the variants' range as dotted lines; name the others by an arrow."""
    low, high = axes.get_xlim()
    off, inside = [], []
    for row in comparison.references:
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
    options: Any = {"xycoords": (coordinates, "axes fraction"), "ha": side, "fontsize": 7}
    drawing.annotate(axes, text, (x, 1), (0, 12 if second else 3), color=QUIET.light, **options)


EDGE_METRICS = {
    "edge": "edge error",
    "tof": "tOF",
    "warping": "warping error",
    "flicker": "flicker",
}
"""The metrics of this figure, and how captions call those that no run has."""

MOST_IN_PANELS = 20


def draw_edges_and_time(comparison: Comparison) -> drawing.Drawing | NotApplicable:
    """Draw the mean over seeds of each variant as a dot, its interval as a bar."""
    infos = [
        info for info in (*comparison.metrics, *comparison.panels) if info.name in EDGE_METRICS
    ]
    if not infos:
        return NotApplicable("no run was judged by edge error, tOF, warping error or flicker")
    have = [
        row.variant for row in comparison.rows if any(info.name in row.estimates for info in infos)
    ]
    shown = drawing.shown_variants(comparison, have, MOST_IN_PANELS, 22)
    if not shown.names:
        return NotApplicable("no variant has finished a seed yet")
    height = 0.62 + 0.19 * len(shown.names)
    figure, panels = drawing.blank(
        height, 1, len(infos), width=WIDE if len(infos) > 1 else 3.3, sharey=True
    )
    for axes, info in zip(panels, infos, strict=True):
        _panel(axes, comparison, shown, info)
        drawing.name_rows(axes, shown.tick_labels())
    return drawing.Drawing(figure, _caption(comparison, shown, infos))


def _panel(axes: Axes, comparison: Comparison, shown: ShownVariants, info: MetricInfo) -> None:
    for place, name in enumerate(shown.names):
        estimate = comparison.row(name).estimates.get(info.name)
        if estimate is None:
            continue
        look = shown.styles[name]
        drawing.interval_bars(axes, [(place, estimate)], look.colour)
        axes.plot([estimate.mean], [place], look.marker, color=look.colour, markersize=4)
    if comparison.baseline in shown.names:
        own = comparison.row(comparison.baseline).estimates.get(info.name)
        if own is not None:
            axes.axvline(own.mean, color=QUIET.light, linewidth=0.7, zorder=1)
    axes.margins(x=0.12)
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel(phrases.axis_label(info))


def _caption(comparison: Comparison, shown: ShownVariants, infos: list[MetricInfo]) -> str:
    counts = [
        estimate.n
        for name in shown.names
        for info in infos
        if (estimate := comparison.row(name).estimates.get(info.name))
    ]
    names = {info.name for info in infos}
    absent = [label for name, label in EDGE_METRICS.items() if name not in names]
    listed = ", ".join(phrases.title(info) for info in infos)
    return phrases.sentences(
        f"{listed[:1].upper()}{listed[1:]} on the {comparison.split} clips; less is better.",
        f"Mean over seeds ({phrases.seeds_range(counts)}); bar:",
        f"{phrases.percent(comparison.level)} t interval of the mean; line: the baseline.",
        f"Not measured here: {', '.join(absent)}." if absent else "",
        shown.omitted,
    )


def draw_pareto(comparison: Comparison) -> drawing.Drawing | NotApplicable:
    """Draw one panel a cost, two a line; all share the metric's axis."""
    views = [view for view in comparison.pareto if view.points]
    if not views:
        return NotApplicable("no variant has both a result and a recorded cost")
    shown = drawing.shown_variants(
        comparison, [point.variant for view in views for point in view.points], 12
    )
    lines = (len(views) + 1) // 2
    columns = min(2, len(views))
    figure, panels = drawing.blank(0.55 + 1.55 * lines, lines, columns, sharey=True)
    for axes, view in zip(panels, views, strict=False):
        _front_panel(axes, view, shown)
    for axes in panels[len(views) :]:
        axes.set_visible(False)
    info = comparison.info(views[0].metric)
    for axes in panels[::columns]:
        axes.set_ylabel(phrases.axis_label(info))
    drawing.legend(figure, panels[0])
    caption = phrases.sentences(
        "Quality against cost; the line joins the variants on the Pareto front by their means",
        "(filled: on it; open: dominated).",
        f"Bar: {phrases.percent(comparison.level)} interval of the mean over seeds.",
        shown.omitted,
    )
    return drawing.Drawing(figure, caption)


def _front_panel(axes: Axes, view: Pareto, shown: ShownVariants) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    points = [point for point in view.points if point.variant in shown.names]
    front = sorted((p for p in points if p.member), key=lambda point: point.cost)
    drawing.front_line(axes, [(p.cost, p.value) for p in front], drawstyle="steps-post", zorder=1)
    for point in points:
        look = shown.styles[point.variant]
        drawing.interval_bars(axes, [(point.cost, point)], look.colour, vertical=True)
        options: Any = {"markersize": 4.8, "label": shown.labels[point.variant], "zorder": 3}
        x, y = [point.cost], [point.value]
        drawing.mark_points(axes, x, y, look.marker, look.colour, filled=point.member, **options)
    name = phrases.COST_NAMES.get(view.cost, view.cost.replace("_", " "))
    axes.set_xlabel(f"{name} ({view.unit})" if view.unit not in {"", name} else name)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: numbers.count(value) if value >= 1000 else f"{value:g}")
    )
    axes.margins(0.15)
    axes.grid()
