"""Draw the values of variants: every seed, errors of edges and of time, quality against cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import Pareto
from tempo.comparison.statistics.quantities import Estimate
from tempo.core.records import MetricInfo
from tempo.report.figures import drawing
from tempo.report.figures.axis_range import Reach, axis_range
from tempo.report.figures.drawing import ShownVariants
from tempo.report.figures.style import QUIET, WIDE
from tempo.report.formats import numbers, phrases
from tempo.report.formats.cells import Links
from tempo.report.formats.table import NotApplicable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 40


def draw_seeds(comparison: Comparison) -> drawing.Drawing | NotApplicable:
    """Draw seeds as circles, their mean as a tick, the interval of the mean as a bar.

    References have rows of their own; one beyond the axis is an arrow at the edge with its number.
    """
    metric = comparison.metric
    have = [row.variant for row in comparison.rows if metric in row.estimates]
    shown = drawing.shown_variants(comparison, have, MOST)
    if not shown.names:
        return NotApplicable("no variant has finished a seed yet")
    others = [row.variant for row in comparison.references if metric in row.estimates]
    figure, (axes,) = drawing.blank(0.75 + 0.21 * (len(shown.names) + len(others)))
    info = comparison.info(metric)
    found = [comparison.row(name).estimates[metric] for name in shown.names]
    reaches = [Reach(each.low, each.high, each.n) for each in found]
    ends = axis_range([value for each in found for value in each.values], reaches)
    cut, links = False, Links.of(comparison)
    points: list[drawing.Point] = []
    for place, (name, estimate) in enumerate(zip(shown.names, found, strict=True)):
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
        cut |= drawing.cut_marks(axes, [(place, estimate)], ends, colour)
        points += _told(estimate, place, name, info, links.to(name))
    for place, name in enumerate(others, len(shown.names)):
        value = comparison.row(name).estimates[metric].mean
        points.append(_reference(axes, place, (name, value), ends, info))
    axes.set_xlim(*ends)
    drawing.name_rows(axes, [*shown.tick_labels(), *(numbers.shorten(n, 26) for n in others)])
    axes.set_xlabel(phrases.axis_label(info))
    seeds = phrases.seeds_range(each.n for each in found)
    caption = phrases.sentences(
        f"Each seed of each variant on the {comparison.split} clips ({seeds}).",
        "Circle: one seed; tick: their mean; bar:",
        f"{phrases.percent(comparison.level)} t interval of the mean over seeds.",
        "Diamond: a method without weights; beyond the axis, its number stands at the edge."
        if others
        else "",
        drawing.CUT * cut,
        shown.omitted,
    )
    return drawing.Drawing(figure, caption, points)


def _told(
    estimate: Estimate, place: int, name: str, info: MetricInfo, link: str
) -> Iterator[drawing.Point]:
    """Yield a point for the mean of a variant, and one for each of its seeds with its run."""
    value = f"{numbers.spread(estimate, info.digits)} {info.unit}".rstrip()
    ends = estimate.low, estimate.high, info.digits
    text = drawing.value_text(f"{name}, {phrases.seeds_range([estimate.n])}", value, *ends)
    yield drawing.Point(0, estimate.mean, place, text, link=link)
    for seed, each, run in zip(estimate.seeds, estimate.values, estimate.run_ids, strict=True):
        said = f"{name}, seed {seed}: {numbers.amount(each, info)}"
        yield drawing.Point(0, each, place, f"{said}\nrun {run}", link=link)


def _reference(
    axes: Axes,
    place: int,
    reference: tuple[str, float],
    ends: tuple[float, float],
    info: MetricInfo,
) -> drawing.Point:
    """Draw a method without weights in a row of its own, beyond the axis with its number."""
    (name, value), (low, high) = reference, ends
    text = numbers.fixed(value, info.digits)
    if low <= value <= high:
        axes.plot([value], [place], "D", color=QUIET.light, markersize=3.6)
    else:
        below = value < low
        edge, marker, side = (low, "<", "left") if below else (high, ">", "right")
        axes.plot([edge], [place], marker, color=QUIET.light, markersize=4.2, clip_on=False)
        options: Any = {"ha": side, "va": "center", "fontsize": 7, "color": QUIET.light}
        drawing.annotate(axes, text, (edge, place), (5 if below else -5, 0), **options)
    at = min(max(value, low), high)
    return drawing.Point(0, at, place, f"{name}: {text} {info.unit}".rstrip())


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
    points: list[drawing.Point] = []
    for place, (axes, info) in enumerate(zip(panels, infos, strict=True)):
        points += _panel(axes, comparison, shown, info, place)
        drawing.name_rows(axes, shown.tick_labels())
    return drawing.Drawing(figure, _caption(comparison, shown, infos), points)


def _panel(
    axes: Axes, comparison: Comparison, shown: ShownVariants, info: MetricInfo, panel: int
) -> Iterator[drawing.Point]:
    """Draw one metric of every variant; yield the points that say each value."""
    found = [(name, comparison.row(name).estimates.get(info.name)) for name in shown.names]
    known = [estimate for _, estimate in found if estimate is not None]
    reaches = [Reach(each.low, each.high, each.n) for each in known]
    ends = axis_range([each.mean for each in known], reaches) if known else (0.0, 1.0)
    for place, (name, estimate) in enumerate(found):
        if estimate is None:
            continue
        look = shown.styles[name]
        drawing.interval_bars(axes, [(place, estimate)], look.colour)
        drawing.cut_marks(axes, [(place, estimate)], ends, look.colour)
        axes.plot([estimate.mean], [place], look.marker, color=look.colour, markersize=4)
        told = next(_told(estimate, place, name, info, ""))
        yield replace(told, axes=panel)
    if comparison.baseline in shown.names:
        own = comparison.row(comparison.baseline).estimates.get(info.name)
        if own is not None:
            axes.axvline(own.mean, color=QUIET.light, linewidth=0.7, zorder=1)
    axes.set_xlim(*ends)
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
        "An arrow marks an interval that goes on beyond the axis.",
        f"Not measured here: {', '.join(absent)}." if absent else "",
        shown.omitted,
    )


def _bytes(value: float) -> str:
    return numbers.memory(round(value))


def _plain(value: float) -> str:
    return f"{value:g}"


COST_TEXT: dict[str, Callable[[float], str]] = {
    "parameters": numbers.count,
    "macs": numbers.count,
    "peak_memory": _bytes,
}
"""By cost, how its amounts are written: as in the tables, with their unit."""


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
    info, links = comparison.info(views[0].metric), Links.of(comparison)
    points: list[drawing.Point] = []
    for place, (axes, view) in enumerate(zip(panels, views, strict=False)):
        _front_panel(axes, view, shown)
        points += _costs_told(view, place, shown, info, links)
    for axes in panels[len(views) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel(phrases.axis_label(info))
    drawing.legend(figure, panels[0])
    caption = phrases.sentences(
        "Quality against cost; the line joins the variants on the Pareto front by their means",
        "(filled: on it; open: dominated).",
        f"Bar: {phrases.percent(comparison.level)} interval of the mean over seeds.",
        shown.omitted,
    )
    return drawing.Drawing(figure, caption, points, logarithmic="x")


def _costs_told(
    view: Pareto, panel: int, shown: ShownVariants, info: MetricInfo, links: Links
) -> Iterator[drawing.Point]:
    """Yield what each point of a front says: the cost, the value, its interval."""
    for point in view.points:
        if point.variant not in shown.names:
            continue
        cost = COST_TEXT.get(view.cost, numbers.three)(point.cost)
        unit = view.unit if view.cost not in {"parameters", "macs", "peak_memory"} else ""
        name = f"{point.variant}, {phrases.COST_NAMES.get(view.cost, view.cost)} {cost} {unit}"
        value = numbers.amount(point.value, info)
        text = drawing.value_text(name.rstrip(), value, point.low, point.high, info.digits)
        text += f"\non the front with a chance of {numbers.percent(point.probability)}"
        label, link = shown.labels[point.variant], links.to(point.variant)
        yield drawing.Point(panel, point.cost, point.value, text, label, link)


def _front_panel(axes: Axes, view: Pareto, shown: ShownVariants) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    points = [point for point in view.points if point.variant in shown.names]
    front = sorted((p for p in points if p.member), key=lambda point: point.cost)
    drawing.front_line(axes, [(p.cost, p.value) for p in front], drawstyle="steps-post", zorder=1)
    for point in points:
        look = shown.styles[point.variant]
        label = shown.labels[point.variant]
        drawing.interval_bars(axes, [(point.cost, point)], look.colour, vertical=True, name=label)
        options: Any = {"markersize": 4.8, "label": label, "zorder": 3}
        x, y = [point.cost], [point.value]
        drawing.mark_points(axes, x, y, look.marker, look.colour, filled=point.member, **options)
    name = phrases.COST_NAMES.get(view.cost, view.cost.replace("_", " "))
    shown_unit = view.unit not in {"", name} and view.cost not in COST_TEXT
    axes.set_xlabel(f"{name} ({view.unit})" if shown_unit else name)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    text = COST_TEXT.get(view.cost, _plain)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axes.margins(0.15)
    axes.grid()
