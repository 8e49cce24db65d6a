"""What figures and tables share: the rows they are about, and the answer "not applicable"."""

from __future__ import annotations

from dataclasses import dataclass

from tempo.compare.comparison import Comparison, Row


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """Why a study has no such figure or table; printed in its place."""

    reason: str


def trained(comparison: Comparison) -> list[Row]:
    """Rows with weights, in design order."""
    return [row for row in comparison.rows if row.role != "reference"]


def references(comparison: Comparison) -> list[Row]:
    return [row for row in comparison.rows if row.role == "reference"]
