"""Say that a figure or table does not apply to a study, and choose the rows that one is about."""

from __future__ import annotations

from dataclasses import dataclass

from tempo.comparison.comparison import Comparison, Row


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """Why a study has no such figure or table; printed in its place."""

    reason: str


def trained(comparison: Comparison) -> list[Row]:
    """Return the rows with weights, in design order."""
    return [row for row in comparison.rows if row.role != "reference"]


def references(comparison: Comparison) -> list[Row]:
    """Return the rows of methods without weights."""
    return [row for row in comparison.rows if row.role == "reference"]
