"""Name the figures of a report, in the order in which they are printed, and draw one by name.

A figure is a function from a comparison to a `Drawing`, or to `NotApplicable` with the reason.
To add one, write its file and its line here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.figures import (
    clip_scatter,
    edges_and_time,
    forest,
    gain_waterfall,
    health,
    learning_curves,
    pareto,
    sample_strip,
    seeds,
    strata,
)
from tempo.report.figures.export import figure_of
from tempo.report.figures.figure_helpers import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: dict[str, Callable[[Comparison], Drawing | NotApplicable]] = {
    "seeds": seeds.draw,
    "learning_curves": learning_curves.draw,
    "learning_by_epoch": partial(learning_curves.draw, axis="epochs"),
    "learning_by_time": partial(learning_curves.draw, axis="seconds"),
    "strip": sample_strip.draw,
    "forest": forest.draw,
    "effects": forest.draw_effects,
    "attribution": gain_waterfall.draw,
    "pareto": pareto.draw,
    "strata": strata.draw,
    "strata_difference": partial(strata.draw, which="differences"),
    "clip_scatter": clip_scatter.draw,
    "edges_and_time": edges_and_time.draw,
    "health": health.draw,
}


def draw(comparison: Comparison, name: str) -> Figure:
    """Return the figure called `name`, a key of `FIGURES`, in the report's style.

    Raises:
        UnknownNameError: no figure has this name; the message lists the known ones.
        NotApplicableError: the study has no such figure; the message says why.
    """
    return figure_of(FIGURES, name, comparison)
