"""The figures of a report, in the order in which they are printed.

A figure is a function from a comparison to a `Drawing`, or to `NotApplicable` with the reason.
To add one, write its file and its line here.
"""

from __future__ import annotations

from collections.abc import Callable

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.figures import (
    clip_scatter,
    edges_and_time,
    effects,
    forest,
    gain_waterfall,
    health,
    learning_by_epoch,
    learning_by_time,
    learning_curves,
    pareto,
    sample_strip,
    seeds,
    strata_difference,
    strata_lines,
)
from tempo.report.figures.figure_helpers import Drawing

Draw = Callable[[Comparison], Drawing | NotApplicable]

FIGURES: dict[str, Draw] = {
    "seeds": seeds.draw,
    "learning_curves": learning_curves.draw,
    "learning_by_epoch": learning_by_epoch.draw,
    "learning_by_time": learning_by_time.draw,
    "strip": sample_strip.draw,
    "forest": forest.draw,
    "effects": effects.draw,
    "attribution": gain_waterfall.draw,
    "pareto": pareto.draw,
    "strata": strata_lines.draw,
    "strata_difference": strata_difference.draw,
    "clip_scatter": clip_scatter.draw,
    "edges_and_time": edges_and_time.draw,
    "health": health.draw,
}
