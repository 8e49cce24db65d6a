"""Draw curves over training: validation metrics with their bands, and training health."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import Curve
from tempo.core.records import MetricInfo
from tempo.report.figures import drawing
from tempo.report.figures.style import QUIET
from tempo.report.formats import numbers
from tempo.report.formats.cells import Links
from tempo.report.formats.phrases import axis_label, seeds_range, sentences, title
from tempo.report.formats.table import NotApplicable
from tempo.report.upgrade_note_claims import expected_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Axis = Literal["steps", "epochs", "seconds"]

AXES = {
    "steps": "optimiser steps",
    "epochs": "epochs (passes over the training split)",
    "seconds": "training time (s)",
}
METRICS = ("psnr", "ssim")
MOST_POINTS = 60
"""Points of a curve that answer to the mouse; of a longer curve, as many, evenly spread."""


def draw_learning(comparison: Comparison, axis: Axis = "steps") -> drawing.Drawing | NotApplicable:
    """Draw learning curves by optimiser step, by passes over the data, or by training time."""
    if axis == "seconds" and not any(
        second is not None for curve in comparison.curves for second in curve.seconds
    ):
        return NotApplicable("no run recorded its training time at validation")
    infos = _metrics(comparison)
    curves = [c for c in comparison.curves if c.split == "val" and len(c.steps) > 1]
    if not infos or not curves:
        return NotApplicable("no run has been validated at two steps yet")
    shown = drawing.shown_variants(comparison, [curve.variant for curve in curves])
    figure, panels = drawing.blank(0.45 + 1.75 * len(infos), len(infos), sharex=True)
    points: list[drawing.Point] = []
    links = Links.of(comparison)
    for place, (axes, info) in enumerate(zip(panels, infos, strict=True)):
        for name in shown.names:
            curve = comparison.curve(name, info.name)
            if curve is not None:
                _curve(axes, curve, shown, axis)
                told = _told(curve, axis, info.digits, info.unit)
                label, link = shown.labels[name], links.to(name)
                points += [drawing.Point(place, *each, label, link) for each in told]
        axes.set_ylabel(axis_label(info))
        axes.grid(axis="y")
    marked = axis == "epochs" and _mark_expectations(panels, infos, comparison)
    figure.align_ylabels(panels)
    panels[-1].set_xlabel(AXES[axis])
    drawing.legend(figure, panels[0])
    caption = _caption(comparison, curves, shown, marked)
    return drawing.Drawing(figure, caption, points, logarithmic="x")


def _told(
    curve: Curve, axis: Axis, digits: int, unit: str = ""
) -> Iterator[tuple[float, float, str]]:
    """Yield x, y and words of the points of a curve: step, mean, interval, each seed's value."""
    at = getattr(curve, axis)
    for place in _spread(len(curve.steps)):
        if at[place] is None:
            continue
        ends = curve.low[place], curve.high[place], digits
        value = f"{numbers.fixed(curve.mean[place], digits)} {unit}".rstrip()
        text = drawing.value_text(f"{curve.variant}, step {curve.steps[place]}", value, *ends)
        seeds = [
            f"seed {seed}: {numbers.fixed(values[place], digits)}"
            for seed, values in curve.lines.items()
            if values[place] is not None
        ]
        yield at[place], curve.mean[place], "\n".join([text, *seeds])


def _spread(count: int) -> list[int]:
    """Return at most `MOST_POINTS` of `count` places, evenly spread, the last among them."""
    if count <= MOST_POINTS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (MOST_POINTS - 1)) for i in range(MOST_POINTS)})


def _metrics(comparison: Comparison) -> list[MetricInfo]:
    have = {curve.name for curve in comparison.curves}
    found = [info for info in comparison.metrics if info.name in have]
    return [info for info in found if info.name in METRICS] or found[:2]


def _curve(axes: Axes, curve: Curve, shown: drawing.ShownVariants, axis: Axis) -> None:
    points = [
        point
        for point in zip(getattr(curve, axis), curve.mean, curve.low, curve.high, strict=True)
        if point[0] is not None
    ]
    options = shown.line(curve.variant)
    axes.plot([x for x, *_ in points], [mean for _, mean, *_ in points], **options)
    borders = [
        (x, mean)
        for step, x, mean in zip(curve.steps, getattr(curve, axis), curve.mean, strict=True)
        if step in curve.stages and x is not None
    ]
    for x, mean in borders:
        axes.plot([x], [mean], marker="|", markersize=9, color=options["color"], linestyle="none")
    band = [(x, low, high) for x, _, low, high in points if low is not None and high is not None]
    if band:
        x, low, high = zip(*band, strict=True)
        drawn = axes.fill_between(x, low, high, color=options["color"], alpha=0.13, linewidth=0)
        drawing.belongs_to(drawn, options["label"])


def _mark_expectations(panels: list[Axes], infos: list[MetricInfo], comparison: Comparison) -> bool:
    """Mark the upgrade note's points as open grey brackets: an expectation, not data."""
    points = expected_points(comparison)
    chosen = [axes for axes, info in zip(panels, infos, strict=True) if info.name == "psnr"]
    for axes in chosen:
        for point in points:
            x, y = [point.epoch] * 2, [point.low, point.high]
            (mark,) = axes.plot(x, y, color=QUIET.light, marker="_", linewidth=0.8)
            drawing.belongs_to(mark, "")
            text, place = f"{point.variant} expected", (point.epoch, point.high)
            drawing.annotate(axes, text, place, (0, 3), ha="center", fontsize=6, color=QUIET.light)
    return bool(points and chosen)


def _caption(
    comparison: Comparison, curves: list[Curve], shown: drawing.ShownVariants, marked: bool
) -> str:
    drawn = [curve for curve in curves if curve.variant in shown.names]
    counts = [count for curve in drawn for count in curve.counts]
    names = " and ".join(title(info) for info in _metrics(comparison))
    return sentences(
        f"{names} on the validation clips during training.",
        f"Line: mean over seeds ({seeds_range(counts)}); band: {drawn[0].band}." if drawn else "",
        _borders_told(drawn),
        "Grey brackets: what the upgrade note expects, not data." if marked else "",
        shown.omitted,
    )


def _borders_told(drawn: list[Curve]) -> str:
    names = dict.fromkeys(name for curve in drawn for name in curve.stages.values())
    if not names:
        return ""
    listed = ", ".join(names)
    return f"Upright marks: where stage {listed} of a training begins."


HEALTH_DIGITS = 4
PANELS = {
    "loss": ("training loss", True),
    "grad_norm": ("gradient norm", True),
    "clip_rate": ("share of steps clipped", False),
}
"""Axis label, and whether the axis is logarithmic."""


def draw_health(comparison: Comparison) -> drawing.Drawing | NotApplicable:
    """Draw means over seeds by optimiser step; the learning curves show the spread."""
    have = {curve.name for curve in comparison.health if len(curve.steps) > 1}
    names = [name for name in PANELS if name in have]
    if not names:
        return NotApplicable("no run has logged training metrics at two steps yet")
    shown = drawing.shown_variants(comparison, [curve.variant for curve in comparison.health])
    figure, panels = drawing.blank(0.45 + 1.25 * len(names), len(names), sharex=True)
    counts: list[int] = []
    points: list[drawing.Point] = []
    for place, (axes, name) in enumerate(zip(panels, names, strict=True)):
        label, logarithmic = PANELS[name]
        for variant in shown.names:
            curve = comparison.curve(variant, name)
            if curve is None:
                continue
            axes.plot(curve.steps, curve.mean, linewidth=1.0, **shown.line(variant))
            counts.extend(curve.counts)
            told = _told(curve, "steps", HEALTH_DIGITS)
            points += [drawing.Point(place, *each, shown.labels[variant]) for each in told]
        drawn = [comparison.curve(variant, name) for variant in shown.names]
        if logarithmic and all(min(curve.mean) > 0 for curve in drawn if curve is not None):
            _log_scale(axes)
        axes.set_ylabel(label)
        axes.grid(axis="y")
    figure.align_ylabels(panels)
    panels[-1].set_xlabel("optimiser steps")
    drawing.legend(figure, panels[0])
    caption = sentences(
        f"How training went: mean over seeds ({seeds_range(counts)}); no band is drawn.",
        shown.omitted,
    )
    return drawing.Drawing(figure, caption, points, logarithmic="xy")


def _log_scale(axes: Axes) -> None:
    """Set a logarithmic axis whose ticks are plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
