"""Name the figures of a report, in the order in which they are printed, and draw one by name.

A figure is a function from a comparison to a `Drawing`, or to `NotApplicable` with the reason.
To add one, write its function and its line here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tempo.comparison.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.figures import curves, forest, pareto, sample_strip, strata, variant_rows
from tempo.report.figures.drawing import Drawing
from tempo.report.figures.export import figure_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: dict[str, Callable[[Comparison], Drawing | NotApplicable]] = {
    "seeds": variant_rows.draw_seeds,
    "learning_curves": curves.draw_learning,
    "learning_by_epoch": partial(curves.draw_learning, axis="epochs"),
    "learning_by_time": partial(curves.draw_learning, axis="seconds"),
    "strip": sample_strip.draw,
    "forest": forest.draw,
    "effects": forest.draw_effects,
    "attribution": forest.draw_attribution,
    "pareto": pareto.draw,
    "strata": strata.draw,
    "strata_difference": partial(strata.draw, which="differences"),
    "clip_scatter": strata.draw_clips,
    "edges_and_time": variant_rows.draw_edges_and_time,
    "health": curves.draw_health,
}


def draw(comparison: Comparison, name: str) -> Figure:
    """Return the figure called `name`, a key of `FIGURES`, in the report's style.

    Raises:
        UnknownNameError: no figure has this name; the message lists the known ones.
        NotApplicableError: the study has no such figure; the message says why.
    """
    return figure_of(FIGURES, name, comparison)
