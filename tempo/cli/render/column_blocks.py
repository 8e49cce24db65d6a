"""Print tables of many test sets in a terminal, in blocks of as many columns as fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from tempo.cli.render.fitted_table import GAP, column, grid, lay_out
from tempo.cli.render.tables import COLOURS, plain
from tempo.comparison.comparison import Comparison
from tempo.report.formats.numbers import shorten
from tempo.report.formats.table import BEST, Cell, NotApplicable, Table
from tempo.report.tables import set_verdicts

LONGEST_NAME = 26
LONGEST_HEADING = 30
"""Characters of a name and of a heading; the middle of a longer one is left out."""


def test_set_parts(comparison: Comparison, width: int) -> Iterator[RenderableType]:
    """Yield the verdicts on each test set, a row a variant, and what all sets say together."""
    table = set_verdicts.build(comparison)
    if not isinstance(table, NotApplicable):
        yield from block_parts(table, width)
        yield Text()


def block_parts(table: Table, width: int) -> Iterator[RenderableType]:
    """Yield the caption of a table, its columns in blocks, each beside the names, and its notes."""
    yield plain(table.caption, "bold")
    names, *columns = zip(*(line.cells for line in table.lines), strict=True)
    headings = [shorten(each.heading, LONGEST_HEADING) for each in table.columns[1:]]
    widths = [
        max(cell_len(heading), *(cell_len(cell.text) for cell in cells))
        for heading, cells in zip(headings, columns, strict=True)
    ]
    labels = [plain(shorten(cell.text, LONGEST_NAME)) for cell in names]
    for block in _blocks(widths, width - max(label.cell_len for label in labels)):
        shown = [column(table.columns[0].heading, labels)]
        for n in block:
            kind: Literal["text", "number"] = "number" if table.columns[n + 1].numeric else "text"
            shown.append(column(headings[n], [_text(cell) for cell in columns[n]], kind=kind))
        yield Text()
        yield grid(lay_out(shown, width))
    yield Text()
    for note in table.footnotes:
        yield plain(note)


def _blocks(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """Yield the places of the columns of each block: as many as fit, and one at least."""
    block: list[int] = []
    left = room
    for place, width in enumerate(widths):
        if block and width + GAP > left:
            yield block
            block, left = [], room
        block.append(place)
        left -= width + GAP
    if block:
        yield block


def _text(cell: Cell) -> Text:
    return plain(cell.text, "bold" if cell.tone == BEST else COLOURS.get(cell.tone, ""))
