"""The table for a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tempo.compare.comparison import Comparison
from tempo.compare.render.grid import Grid, results, shorten

NARROWEST = 13
"""Columns of the labels, the differences and the verdicts, which fold in narrow terminals."""

COLOURS = {"better": "green", "worse": "red", "equivalent": "cyan", "incomparable": "yellow"}


def terminal(comparison: Comparison) -> RenderableType:
    """The table and its notes. Labels are plain text: nothing in them is markup."""
    grid = results(comparison)
    title = shorten(comparison.study)
    if comparison.question:
        title += f": {shorten(comparison.question, 120)}"
    return Group(Text(title, style="bold"), _table(grid), *map(Text, grid.notes))


def _table(grid: Grid) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, numeric in zip(grid.headings, grid.numeric, strict=True):
        folds = not numeric or heading.startswith("Δ")
        table.add_column(
            Text(heading),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=not folds,
            min_width=NARROWEST if folds else None,
        )
    for line in grid.lines:
        style = COLOURS.get(line[-1], "")
        table.add_row(*map(Text, line[:-1]), Text(line[-1], style=style))
    return table
