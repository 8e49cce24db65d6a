"""Build the table of verdicts by test set: one row a variant or method, one column a set."""

from __future__ import annotations

from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Contrast, Word
from tempo.report.formats import numbers
from tempo.report.formats.cells import MARKS, Links
from tempo.report.formats.phrases import percent, sentences, title
from tempo.report.formats.table import Cell, Column, Line, NotApplicable, Table
from tempo.report.tables.paper import placed_sets, rows_of

NAME = "set_verdicts"


def build(comparison: Comparison) -> Table | NotApplicable:
    """Return the verdict and the difference from the baseline of every row on every test set."""
    if not comparison.test_sets:
        return NotApplicable("the study has no further test sets")
    placed = [(each.title, each.found) for each in placed_sets(comparison)]
    metrics = {_metric(found) for _, found in placed if found is not None}
    links = Links.of(comparison)
    columns = (
        Column("variant", numeric=False),
        *(
            Column(name, "" if len(metrics) < 2 else _metric(found), numeric=False)
            for name, found in placed
        ),
    )
    lines = tuple(
        Line(
            (links.name(row.variant), *(_cell(found, row.variant) for _, found in placed)),
            tone=row.role,
        )
        for row in rows_of(comparison)
    )
    caption = sentences(
        f"Verdict and difference from {comparison.baseline} in {' or '.join(sorted(metrics))} on "
        "each test set.",
        ", ".join(f"{mark} {word.value}" for word, mark in MARKS.items()) + ".",
        f"Intervals cover {percent(comparison.level)} over all contrasts of a family.",
    )
    return Table(NAME, caption, columns, lines, comparison.on_sets)


def _metric(found: Comparison | None) -> str:
    """Return the metric that decides on a set; nothing where no evaluation has finished."""
    return title(found.info(found.metric)) if found else ""


def _cell(found: Comparison | None, variant: str) -> Cell:
    rows = {row.variant: row for row in found.rows} if found else {}
    row = rows.get(variant)
    if found is None or row is None:
        hint = "no evaluation has finished" if found is None else "was not judged here"
        return Cell(numbers.MISSING, hint=hint, tone="quiet")
    if row.role == "baseline":
        return Cell("baseline", tone="quiet")
    contrast = row.contrasts.get(found.metric)
    return _of_contrast(contrast, found.info(found.metric).digits) if contrast else Cell("")


def _of_contrast(contrast: Contrast, digits: int) -> Cell:
    """Return the mark of a verdict with the difference; the interval and the reason as hint."""
    word, change = contrast.verdict.word, contrast.difference
    if change is None and word is not Word.INCOMPARABLE:
        return Cell(numbers.MISSING, hint=contrast.verdict.reason, tone="quiet")
    value = numbers.signed(change.value, digits) if change else ""
    told = [word.value, numbers.change(change, digits), contrast.verdict.reason]
    return Cell(
        f"{MARKS[word]}\N{NO-BREAK SPACE}{value}".strip(),
        change.value if change else None,
        hint="; ".join(told),
        tone=word.value,
    )
