"""Define a table as data: columns, lines of cells, a caption and notes.

A table is built once; the page, the terminal, Markdown, CSV, JSON, LaTeX and HTML print it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress, groupby

from tempo.report.formats.numbers import MISSING

Value = float | str | None

BEST = "best"
"""The tone of the best number of its column."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: `text` is printed; `value` is what it is sorted by and written as to CSV.

    `link` leads to the runs behind the number, `hint` is shown on hover, `tone` is the style: a
    verdict word, `quiet`, `code`, `expected`, `best` (set bold everywhere) or empty.
    """

    text: str
    value: Value = None
    link: str = ""
    hint: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `numeric`: set flush right. `detail`: left out of a terminal's table.

    `group`: what stands over this column and its neighbours of the same group.
    """

    label: str
    unit: str = ""
    numeric: bool = True
    hint: str = ""
    detail: bool = False
    group: str = ""

    @property
    def heading(self) -> str:
        """The group and the label with its unit, `UCF101 PSNR (dB)`."""
        return f"{self.group} {self.own_heading}" if self.group else self.own_heading

    @property
    def own_heading(self) -> str:
        """The label with its unit, below the heading of the group."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its cells, a note printed beneath the line, and its style."""

    cells: tuple[Cell, ...]
    note: str = ""
    tone: str = ""

    @classmethod
    def of(cls, *cells: Cell, note: str = "", tone: str = "") -> Line:
        """Return the line of these cells."""
        return cls(cells, note, tone)


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table. `name` is its file and anchor; `caption` says what is shown.

    `title` is the heading of a table that is printed alone; `footnotes` stand beneath the table.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    footnotes: tuple[str, ...] = ()
    title: str = ""

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """The headings over columns, each with how many it spans; empty without any."""
        spans = [(name, len([*each])) for name, each in groupby(c.group for c in self.columns)]
        return tuple(spans) if any(name for name, _ in spans) else ()

    def records(self) -> list[dict[str, Value]]:
        """Return one mapping a line, by heading: full-precision numbers, text, None if missing."""
        headings = [column.heading for column in self.columns]
        return [
            dict(zip(headings, map(_content, self.columns, line.cells), strict=True))
            for line in self.lines
        ]

    def without_empty_columns(self) -> Table:
        """Return the table without the columns that hold nothing in any line."""
        columns = zip(*(line.cells for line in self.lines), strict=True)
        full = [any(cell.text not in {"", MISSING} for cell in column) for column in columns]
        return self.with_columns(full)

    def without_details(self) -> Table:
        """Return the table without its detail columns."""
        return self.with_columns([not each.detail for each in self.columns])

    def with_columns(self, kept: Sequence[bool]) -> Table:
        """Return the table with the columns alone that are `kept`."""
        lines = [replace(line, cells=tuple(compress(line.cells, kept))) for line in self.lines]
        return replace(self, columns=tuple(compress(self.columns, kept)), lines=tuple(lines))


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """Why a study has no such figure or table; printed in its place."""

    reason: str


def _content(column: Column, cell: Cell) -> Value:
    if column.numeric and isinstance(cell.value, int | float):
        return cell.value
    return None if cell.text in {"", MISSING} else cell.text


def of_records(name: str, records: Sequence[Mapping[str, Value]]) -> Table:
    """Return a table for programs: a column a key, each value as it is, nothing where missing."""
    headings = list(dict.fromkeys(key for record in records for key in record))
    numeric = {
        key: not any(isinstance(record.get(key), str) for record in records) for key in headings
    }
    lines = [
        Line(tuple(Cell("" if (v := record.get(key)) is None else str(v), v) for key in headings))
        for record in records
    ]
    columns = tuple(Column(key, numeric=numeric[key]) for key in headings)
    return Table(name, "", columns, tuple(lines))


def words(*labels: str) -> tuple[Column, ...]:
    """Return columns of text with these labels."""
    return tuple(Column(label, numeric=False) for label in labels)


def word_line(*texts: str, tone: str = "") -> Line:
    """Return a line of plain text cells that are sorted by their text."""
    return Line(tuple(Cell(text, text) for text in texts), tone=tone)
