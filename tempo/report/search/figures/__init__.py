"""The figures of a search, in the order in which they are printed."""

from __future__ import annotations

from collections.abc import Callable

from tempo.records.search import SearchSummary
from tempo.report.figures.frame import Drawing
from tempo.report.parts import NotApplicable
from tempo.report.search.figures import (
    confirmation,
    front,
    history,
    importance,
    intermediate,
    parallel,
    slices,
)

SEARCH_FIGURES: dict[str, Callable[[SearchSummary], Drawing | NotApplicable]] = {
    "history": history.draw,
    "confirmation": confirmation.draw,
    "importance": importance.draw,
    "front": front.draw,
    "parallel": parallel.draw,
    "slices": slices.draw,
    "intermediate": intermediate.draw,
}
