"""In what the compared runs differ beyond what was asked."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.formats.table import Cell, Column, Line, Table

ORDER = ("unintended", "intended", "note")


def build(comparison: Comparison) -> Table | NotApplicable:
    """Unintended differences first."""
    if not comparison.fairness:
        return NotApplicable("the runs were audited and differ in nothing that was recorded")
    columns = (
        Column("field", numeric=False),
        Column("kind", numeric=False),
        Column("what was seen", numeric=False),
    )
    ranked = sorted(comparison.fairness, key=lambda each: ORDER.index(each.severity))
    lines = tuple(
        Line(
            (
                Cell(each.field, each.field),
                Cell(
                    each.severity,
                    ORDER.index(each.severity),
                    tone="worse" if each.severity == "unintended" else "",
                ),
                Cell(
                    each.sentence,
                    hint="; ".join(f"{name}: {value}" for name, value in each.values.items()),
                ),
            )
        )
        for each in ranked
    )
    return Table("fairness", "Fairness audit of what really happened.", columns, lines)
