"""Name the figures of a search, in the order in which they are printed, and draw one by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tempo.records.search_record import SearchSummary
from tempo.report.applicability import NotApplicable
from tempo.report.figures.drawing import Drawing
from tempo.report.figures.export import figure_of
from tempo.report.figures.search import parameters, trial_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEARCH_FIGURES: dict[str, Callable[[SearchSummary], Drawing | NotApplicable]] = {
    "history": trial_values.draw_history,
    "confirmation": trial_values.draw_confirmation,
    "importance": parameters.draw_importance,
    "front": trial_values.draw_front,
    "parallel": parameters.draw_parallel,
    "slices": parameters.draw_slices,
    "intermediate": trial_values.draw_intermediate,
}


def draw(summary: SearchSummary, name: str) -> Figure:
    """Return the figure of a search called `name`, a key of `SEARCH_FIGURES`.

    Raises:
        UnknownNameError: no figure has this name; the message lists the known ones.
        NotApplicableError: the search has no such figure; the message says why.
    """
    return figure_of(SEARCH_FIGURES, name, summary)
