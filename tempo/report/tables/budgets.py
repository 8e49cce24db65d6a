"""The same question under other budgets: equal steps, wall-clock, device hours, parameters."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.compare.evidence import BudgetView
from tempo.report.applicability import NotApplicable, trained
from tempo.report.formats import numbers
from tempo.report.formats.phrases import sentences, title
from tempo.report.formats.table import Cell, Column, Line, Links, Table, name_cell, seeds_of


def build(comparison: Comparison) -> Table | NotApplicable:
    """One column a budget."""
    views = comparison.budgets
    if not views:
        return NotApplicable("no validation curve reaches a budget that all variants share")
    links = Links.of(comparison)
    columns = [Column(_heading(view), hint=view.note) for view in views]
    lines = []
    for row in trained(comparison):
        cells = [name_cell(row.variant, links)]
        for view in views:
            estimate = view.values.get(row.variant)
            digits = _digits(comparison, view.metric)
            hint = seeds_of(estimate, digits) if estimate else "never got that far"
            cells.append(
                Cell(
                    numbers.spread(estimate, digits),
                    estimate.mean if estimate else None,
                    links.to(row.variant),
                    hint,
                )
            )
        lines.append(Line(tuple(cells)))
    kinds = sorted({f"{_title(comparison, view.metric)} on {view.split}" for view in views})
    caption = sentences(
        f"At equal budgets: {', '.join(kinds)}; mean ± standard deviation over seeds.",
        "A value read in mid-schedule understates what a shorter schedule would reach.",
    )
    notes = tuple(f"{view.budget}: {view.note}" for view in views if view.note)
    columns = [Column("variant", numeric=False), *columns]
    return Table("budgets", caption, tuple(columns), tuple(lines), notes)


def _heading(view: BudgetView) -> str:
    amount = numbers.count(view.at) if view.at >= 1e4 else f"{float(f'{view.at:.3g}'):g}"
    return f"{view.budget}: {amount}" + ("" if view.unit == view.budget else f" {view.unit}")


def _title(comparison: Comparison, metric: str) -> str:
    return next((title(info) for info in comparison.metrics if info.name == metric), metric)


def _digits(comparison: Comparison, metric: str) -> int:
    return next((info.digits for info in comparison.metrics if info.name == metric), 3)
