"""Which variants are worth their cost: membership of the Pareto fronts, with its uncertainty."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.compare.evidence import ParetoPoint
from tempo.report.applicability import NotApplicable, trained
from tempo.report.figures.pareto import NAMES
from tempo.report.formats import numbers
from tempo.report.formats.table import Cell, Column, Line, Links, Table, name_cell


def build(comparison: Comparison) -> Table | NotApplicable:
    """One column a cost: how likely nothing cheaper is as good."""
    views = [view for view in comparison.pareto if view.points]
    if not views:
        return NotApplicable("no variant has both a result and a recorded cost")
    links = Links.of(comparison)
    fronts = [{point.variant: point for point in view.points} for view in views]
    columns = (
        Column("variant", numeric=False),
        *(Column(NAMES.get(view.cost, view.cost)) for view in views),
    )
    lines = tuple(
        Line(
            (
                name_cell(row.variant, links),
                *(_chance(front.get(row.variant), links) for front in fronts),
            )
        )
        for row in trained(comparison)
        if any(row.variant in front for front in fronts)
    )
    caption = (
        "The chance that nothing cheaper is as good, given the noise; •: on the front by the means."
    )
    return Table("fronts", caption, columns, lines)


def _chance(point: ParetoPoint | None, links: Links) -> Cell:
    if point is None:
        return Cell(numbers.MISSING, tone="quiet")
    mark = "• " if point.member else ""
    text = mark + numbers.percent(point.probability)
    return Cell(text, point.probability, links.to(point.variant))
