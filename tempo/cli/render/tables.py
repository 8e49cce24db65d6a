"""Print a table of the report in a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from tempo.comparison.comparison import Comparison
from tempo.report.formats.numbers import typed
from tempo.report.formats.phrases import visible
from tempo.report.formats.table import Table
from tempo.report.tables.results import printed

NARROWEST = 13
"""Columns of text and of intervals, which fold in narrow terminals."""

COLOURS = {"better": "green", "worse": "red", "equivalent": "cyan", "incomparable": "yellow"}


def print_table(table: Table, console: Console) -> None:
    """Print title and caption, the table without its details, and its notes.

    Labels are plain text: nothing in them is read as markup.
    """
    heading = ": ".join(filter(None, (table.title, table.caption)))
    if heading:
        console.print(_text(heading, "bold"))
    console.print(_grid(table.without_details()))
    for note in table.footnotes:
        console.print(_text(note))


def print_results(comparison: Comparison, console: Console) -> None:
    """Print the results table of a comparison."""
    print_table(printed(comparison), console)


def _grid(table: Table) -> RichTable:
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(table.columns):
        cells = [line.cells[index] for line in table.lines]
        folds = not column.numeric or any(" [" in cell.text for cell in cells)
        longest = max(len(text) for text in (column.heading, *(cell.text for cell in cells)))
        grid.add_column(
            _text(column.heading),
            justify="right" if column.numeric else "left",
            overflow="fold",
            no_wrap=not folds,
            min_width=min(NARROWEST, longest) if folds else None,
        )
    for line in table.lines:
        grid.add_row(*(_text(cell.text, COLOURS.get(cell.tone, "")) for cell in line.cells))
    return grid


def _text(text: str, style: str = "") -> Text:
    plain = "".join(c if c.isprintable() else " " for c in visible(typed(text)))
    return Text(plain, style=style)
