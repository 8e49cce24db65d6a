"""The figures of a search, in the order in which they are printed."""

from __future__ import annotations

from collections.abc import Callable

from tempo.records.search_record import SearchSummary
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing
from tempo.report.figures.search import (
    confirmation,
    history,
    importance,
    intermediate,
    objective_front,
    parallel,
    slices,
)

SEARCH_FIGURES: dict[str, Callable[[SearchSummary], Drawing | NotApplicable]] = {
    "history": history.draw,
    "confirmation": confirmation.draw,
    "importance": importance.draw,
    "front": objective_front.draw,
    "parallel": parallel.draw,
    "slices": slices.draw,
    "intermediate": intermediate.draw,
}
