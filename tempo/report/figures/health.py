"""Draw training health: loss, gradient norm and the share of clipped steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing, blank, legend, shown_variants
from tempo.report.formats.phrases import seeds_range, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = {
    "loss": ("training loss", True),
    "grad_norm": ("gradient norm", True),
    "clip_rate": ("share of steps clipped", False),
}
"""Axis label, and whether the axis is logarithmic."""


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Draw means over seeds by optimiser step; the learning curves show the spread."""
    have = {curve.name for curve in comparison.health if len(curve.steps) > 1}
    names = [name for name in PANELS if name in have]
    if not names:
        return NotApplicable("no run has logged training metrics at two steps yet")
    shown = shown_variants(comparison, [curve.variant for curve in comparison.health])
    figure, panels = blank(0.45 + 1.25 * len(names), len(names), sharex=True)
    counts: list[int] = []
    for axes, name in zip(panels, names, strict=True):
        label, logarithmic = PANELS[name]
        for variant in shown.names:
            curve = comparison.curve(variant, name)
            if curve is None:
                continue
            axes.plot(curve.steps, curve.mean, linewidth=1.0, **shown.line(variant))
            counts.extend(curve.counts)
        drawn = [comparison.curve(variant, name) for variant in shown.names]
        if logarithmic and all(min(curve.mean) > 0 for curve in drawn if curve is not None):
            _log_scale(axes)
        axes.set_ylabel(label)
        axes.grid(axis="y")
    figure.align_ylabels(panels)
    panels[-1].set_xlabel("optimiser steps")
    legend(figure, panels[0])
    caption = sentences(
        f"How training went: mean over seeds ({seeds_range(counts)}); no band is drawn.",
        shown.omitted,
    )
    return Drawing(figure, caption)


def _log_scale(axes: Axes) -> None:
    """Set a logarithmic axis whose ticks are plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
