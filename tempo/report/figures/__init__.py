"""Name the figures of a report, in the order in which they are printed, and draw one by name.

A figure is a function from a comparison or a search to a `Drawing`, or to `NotApplicable` with the
reason. To add one, write its function and its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from tempo.comparison.comparison import Comparison
from tempo.records.search_record import SearchSummary
from tempo.report.figures import curves, forest, sample_strip, strata, variant_values
from tempo.report.figures.drawing import Drawing
from tempo.report.figures.export import figure_of
from tempo.report.figures.search import parameters, trial_values
from tempo.report.formats.own_parts import ReportParts
from tempo.report.formats.table import NotApplicable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: Mapping[str, Callable[[Comparison], Drawing | NotApplicable]] = ReportParts(
    "figure",
    {
        "seeds": variant_values.draw_seeds,
        "learning_curves": curves.draw_learning,
        "learning_by_epoch": partial(curves.draw_learning, axis="epochs"),
        "learning_by_time": partial(curves.draw_learning, axis="seconds"),
        "strip": sample_strip.draw,
        "forest": forest.draw,
        "effects": forest.draw_effects,
        "attribution": forest.draw_attribution,
        "pareto": variant_values.draw_pareto,
        "strata": strata.draw,
        "strata_difference": partial(strata.draw, which="differences"),
        "clip_scatter": strata.draw_clips,
        "edges_and_time": variant_values.draw_edges_and_time,
        "health": curves.draw_health,
    },
)

SEARCH_FIGURES: dict[str, Callable[[SearchSummary], Drawing | NotApplicable]] = {
    "history": trial_values.draw_history,
    "confirmation": trial_values.draw_confirmation,
    "importance": parameters.draw_importance,
    "front": trial_values.draw_front,
    "parallel": parameters.draw_parallel,
    "slices": parameters.draw_slices,
    "intermediate": trial_values.draw_intermediate,
}


def draw(comparison: Comparison, name: str) -> Figure:
    """Return the figure called `name`, a key of `FIGURES`, in the report's style.

    Raises:
        UnknownNameError: no figure has this name; the message lists the known ones.
        NotApplicableError: the study has no such figure; the message says why.
    """
    return figure_of(FIGURES, name, comparison)
