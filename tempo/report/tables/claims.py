"""The seed text's claims beside what this study measured."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.formats.table import Cell, Column, Line, Table
from tempo.report.upgrade_claims import CLAIMS

NOT_HERE = "not measured here"


def build(comparison: Comparison) -> Table | NotApplicable:
    """One line a claim. Expected and measured never share a column."""
    columns = (
        Column("quantity", numeric=False),
        Column("expected", numeric=False),
        Column("measured", numeric=False),
        Column("protocol", numeric=False),
        Column("measured by", numeric=False),
    )
    lines = []
    for claim in CLAIMS:
        measured = claim.measure(comparison)
        lines.append(
            Line(
                (
                    Cell(claim.quantity),
                    Cell(claim.expected, tone="expected"),
                    Cell(measured, link="#runs") if measured else Cell(NOT_HERE, tone="quiet"),
                    Cell(claim.protocol, tone="quiet"),
                    Cell(claim.measured_by, tone="code"),
                )
            )
        )
    caption = (
        "What the seed text expects of V2 and V3. Expectations are not results: a claim counts as "
        "measured only where this study follows its protocol."
    )
    return Table("claims", caption, columns, tuple(lines))
