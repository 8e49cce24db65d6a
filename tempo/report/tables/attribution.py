"""How one variant becomes another: each factor added in, left out, and on the ladder."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.compare.statistics.quantities import Rung
from tempo.report.applicability import NotApplicable
from tempo.report.formats import numbers
from tempo.report.formats.phrases import sentences, title
from tempo.report.formats.table import Cell, Column, Line, Links, Table


def build(comparison: Comparison) -> Table | NotApplicable:
    """One line a factor; the last two are the sum's remainder and the total."""
    found = comparison.attribution
    if found is None:
        return NotApplicable("the study does not ask how one variant becomes another")
    digits = comparison.info(found.metric).digits
    links = Links.of(comparison)
    columns = (
        Column("factor", numeric=False),
        Column("from", numeric=False),
        Column("to", numeric=False),
        Column("added alone", hint=f"into {found.start}"),
        Column("kept at the end", hint=f"in {found.end}, against leaving it out"),
        Column("on the ladder", hint="added to all factors above it"),
    )
    ways = [{r.factor: r for r in way} for way in (found.add_in, found.leave_out, found.ladder)]
    lines = []
    for factor, (start, end) in found.changes.items():
        cells = [_change(way.get(factor), digits, links) for way in ways]
        lines.append(Line((Cell(factor, factor), Cell(start), Cell(end), *cells)))
    for label, value in (("interaction", found.residual), ("total", found.total)):
        blank = (Cell(""), Cell(""))
        lines.append(
            Line((Cell(label), *blank, Cell(numbers.change(value, digits)), *blank), tone=label)
        )
    caption = sentences(
        f"From {found.start} to {found.end} in {title(comparison.info(found.metric))}.",
        "The interaction is the total less the sum of the factors added alone.",
        found.note,
    )
    return Table("attribution", caption, columns, tuple(lines))


def _change(rung: Rung | None, digits: int, links: Links) -> Cell:
    if rung is None:
        return Cell(numbers.MISSING, tone="quiet")
    if rung.change is None:
        return Cell(rung.note or "not finished", tone="quiet")
    return Cell(
        numbers.change(rung.change, digits),
        rung.change.value,
        links.to(rung.variant),
        f"{rung.variant} against {rung.against}",
    )
