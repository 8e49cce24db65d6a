"""Print a table of the report in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from tempo.cli.render.fitted_table import FittedColumn, column, grid, lay_out
from tempo.report.formats.numbers import typed
from tempo.report.formats.phrases import visible
from tempo.report.formats.table import Table

NARROWEST = 13
"""Characters to which names are cut, and sentences folded, before a column is left out."""

SENTENCE = 40
"""Characters from which a text is folded instead of cut."""

COLOURS = {"better": "green", "worse": "red", "equivalent": "cyan", "incomparable": "yellow"}


def print_table(table: Table, console: Console) -> None:
    """Print title and caption, the table without its details, and its notes.

    Labels are plain text: nothing in them is read as markup. Columns that do not fit are left out
    from the right, those of verdicts and of differences last.
    """
    heading = ": ".join(filter(None, (table.title, table.caption)))
    if heading:
        console.print(plain(heading, "bold"))
    layout = lay_out(list(_columns(table.without_details())), console.width)
    console.print(grid(layout))
    console.print()
    if layout.left_out:
        console.print(plain(f"A wider terminal shows more: {', '.join(layout.left_out)}."))
    for note in table.footnotes:
        console.print(plain(note))


def _columns(table: Table) -> Iterator[FittedColumn]:
    first = next((n for n, each in enumerate(table.columns) if each.numeric), len(table.columns))
    for index, each in enumerate(table.columns):
        cells = [line.cells[index] for line in table.lines]
        important = any(cell.tone in COLOURS or " [" in cell.text for cell in cells)
        place = 0 if index <= first else (1 if important else index + 2)
        longest = max((len(cell.text) for cell in cells), default=0)
        yield column(
            each.heading,
            [plain(cell.text, COLOURS.get(cell.tone, "")) for cell in cells],
            place,
            kind="number" if each.numeric else "text",
            least=None if each.numeric else NARROWEST,
            grow=max(place, 1) if index < first else len(table.columns) + 2,
            folds=longest > SENTENCE and index > 0,
            left_out=each.label,
        )


def plain(text: str, style: str = "") -> Text:
    """Return text without markup or characters that a terminal cannot show."""
    shown = "".join(c if c.isprintable() else " " for c in visible(typed(text)))
    return Text(shown, style=style)
