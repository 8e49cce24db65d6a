"""Name how the sentences of a headline begin, by which pages and terminals sort them."""

from __future__ import annotations

AGAINST = "Against "
ALONE = "Nothing to compare: "
INCOMPLETE = "Incomplete: "
NOT_ALIKE = "Not alike: "
EXPLORATORY = "Exploratory: "
RANK_TESTS = "With 3 seeds no rank test"
SETS_DISAGREE = "The sets disagree: "
PARTLY_DECIDED = "Decided on some sets alone: "
PROTOCOLS = " protocols: "
"""What stands after the number of protocols."""


def against(baseline: str | None, metric: str = "") -> str:
    """Return how the verdicts against a baseline begin, in the metric of this title or in any."""
    return f"{AGAINST}{baseline} in {metric}{': ' if metric else ''}"
