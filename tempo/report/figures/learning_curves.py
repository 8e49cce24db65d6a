"""Validation metrics over training: the mean over seeds and its band, one line a variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tempo.compare.comparison import Comparison
from tempo.compare.evidence import Curve
from tempo.core.records import MetricInfo
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Cast, Drawing, blank, cast, legend
from tempo.report.figures.style import QUIET
from tempo.report.formats.phrases import axis_label, seeds_range, sentences, title
from tempo.report.upgrade_claims import expected_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Axis = Literal["steps", "epochs", "seconds"]

LABELS = {
    "steps": "optimiser steps",
    "epochs": "epochs (passes over the training split)",
    "seconds": "training time (s)",
}
SHOWN = ("psnr", "ssim")


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Learning curves by optimiser step."""
    return draw_by(comparison, "steps")


def draw_by(comparison: Comparison, axis: Axis) -> Drawing | NotApplicable:
    """Learning curves along `axis`."""
    infos = _metrics(comparison)
    curves = [c for c in comparison.curves if c.split == "val" and len(c.steps) > 1]
    if not infos or not curves:
        return NotApplicable("no run has been validated at two steps yet")
    players = cast(comparison, [curve.variant for curve in curves])
    figure, panels = blank(0.45 + 1.75 * len(infos), len(infos), sharex=True)
    for axes, info in zip(panels, infos, strict=True):
        for name in players.names:
            curve = comparison.curve(name, info.name)
            if curve is not None:
                _line(axes, curve, players, axis)
        axes.set_ylabel(axis_label(info))
        axes.grid(axis="y")
    marked = axis == "epochs" and _mark_expectations(panels, infos, comparison)
    figure.align_ylabels(panels)
    panels[-1].set_xlabel(LABELS[axis])
    legend(figure, panels[0])
    return Drawing(figure, _caption(comparison, curves, players, marked))


def _metrics(comparison: Comparison) -> list[MetricInfo]:
    have = {curve.name for curve in comparison.curves}
    found = [info for info in comparison.metrics if info.name in SHOWN and info.name in have]
    if not found:
        found = [info for info in comparison.metrics if info.name in have][:2]
    return found


def _line(axes: Axes, curve: Curve, players: Cast, axis: Axis) -> None:
    look = players.looks[curve.variant]
    points = [
        (x, mean, low, high)
        for x, mean, low, high in zip(
            getattr(curve, axis), curve.mean, curve.low, curve.high, strict=True
        )
        if x is not None
    ]
    axes.plot(
        [p[0] for p in points],
        [p[1] for p in points],
        color=look.colour,
        linestyle=look.dash,
        label=players.labels[curve.variant],
    )
    band = [(x, low, high) for x, _, low, high in points if low is not None and high is not None]
    if band:
        x, low, high = zip(*band, strict=True)
        axes.fill_between(x, low, high, color=look.colour, alpha=0.13, linewidth=0)


def _mark_expectations(panels: list[Axes], infos: list[MetricInfo], comparison: Comparison) -> bool:
    """The seed text's points, as open grey brackets: an expectation, not data."""
    marked = False
    for axes, info in zip(panels, infos, strict=True):
        for point in expected_points(comparison) if info.name == "psnr" else ():
            axes.plot(
                [point.epoch] * 2, [point.low, point.high], color=QUIET.light, marker="_", lw=0.8
            )
            axes.annotate(
                f"{point.variant} expected",
                (point.epoch, point.high),
                textcoords="offset points",
                xytext=(0, 3),
                ha="center",
                fontsize=6,
                color=QUIET.light,
            )
            marked = True
    return marked


def _caption(comparison: Comparison, curves: list[Curve], players: Cast, marked: bool) -> str:
    shown = [curve for curve in curves if curve.variant in players.names]
    counts = [count for curve in shown for count in curve.counts]
    names = " and ".join(title(info) for info in _metrics(comparison))
    return sentences(
        f"{names} on the validation clips during training.",
        f"Line: mean over seeds ({seeds_range(counts)}); band: {shown[0].band}." if shown else "",
        "Grey brackets: what the seed text expects, not data." if marked else "",
        players.omitted,
    )
