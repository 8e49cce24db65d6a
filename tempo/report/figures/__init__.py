"""The figures of a report, in the order in which they are printed.

A figure is a function from a comparison to a `Drawing`, or to `NotApplicable` with the reason.
To add one, write its file and its line here.
"""

from __future__ import annotations

from collections.abc import Callable

from tempo.compare.comparison import Comparison
from tempo.report.figures import (
    attribution,
    clip_scatter,
    edges_and_time,
    effects,
    forest,
    health,
    learning_by_epoch,
    learning_by_time,
    learning_curves,
    pareto,
    seeds,
    strata,
    strata_difference,
    strip,
)
from tempo.report.figures.frame import Drawing
from tempo.report.parts import NotApplicable

Draw = Callable[[Comparison], Drawing | NotApplicable]

FIGURES: dict[str, Draw] = {
    "seeds": seeds.draw,
    "learning_curves": learning_curves.draw,
    "learning_by_epoch": learning_by_epoch.draw,
    "learning_by_time": learning_by_time.draw,
    "strip": strip.draw,
    "forest": forest.draw,
    "effects": effects.draw,
    "attribution": attribution.draw,
    "pareto": pareto.draw,
    "strata": strata.draw,
    "strata_difference": strata_difference.draw,
    "clip_scatter": clip_scatter.draw,
    "edges_and_time": edges_and_time.draw,
    "health": health.draw,
}
