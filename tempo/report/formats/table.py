"""Define a table as data: columns, lines of cells, a caption and notes.

A table is built once; the page, the terminal, Markdown, CSV, JSON, LaTeX and HTML print it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tempo.compare.comparison import Comparison
from tempo.compare.statistics.quantities import Estimate, Interval, Verdict, Word
from tempo.report.formats import numbers

MARKS = {
    Word.BETTER: "▴",
    Word.WORSE: "▾",
    Word.EQUIVALENT: "≈",
    Word.INCONCLUSIVE: "○",
    Word.INCOMPARABLE: "×",
}
"""The shape of each verdict, for readers who do not see its colour."""

Value = float | str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: `text` is printed; `value` is what it is sorted by and written as to CSV.

    `link` leads to the runs behind the number, `hint` is shown on hover, `tone` is the style: a
    verdict word, `quiet`, `code`, `expected` or empty.
    """

    text: str
    value: Value = None
    link: str = ""
    hint: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `numeric`: set flush right. `detail`: left out of a terminal's table."""

    label: str
    unit: str = ""
    numeric: bool = True
    hint: str = ""
    detail: bool = False

    @property
    def heading(self) -> str:
        """The label with its unit, `PSNR (dB)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its cells, a note printed beneath the line, and its style."""

    cells: tuple[Cell, ...]
    note: str = ""
    tone: str = ""


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

    def records(self) -> list[dict[str, Value]]:
        """Return one mapping a line, by heading: full-precision numbers, text, None if missing."""
        headings = [column.heading for column in self.columns]
        return [
            dict(zip(headings, map(_content, self.columns, line.cells), strict=True))
            for line in self.lines
        ]


def _content(column: Column, cell: Cell) -> Value:
    if column.numeric and isinstance(cell.value, int | float):
        return cell.value
    return None if cell.text in {"", numbers.MISSING} else cell.text


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


NONE = Cell(numbers.MISSING, tone="quiet")
"""The cell of a number that is missing."""


@dataclass(frozen=True, slots=True)
class Links:
    """Map a variant to the place on the page that lists its runs."""

    places: Mapping[str, int]

    @classmethod
    def of(cls, comparison: Comparison) -> Links:
        """Return the places of a comparison's rows."""
        return cls({row.variant: index for index, row in enumerate(comparison.rows)})

    def to(self, variant: str | None) -> str:
        """Return the fragment of a variant: a number, because a label may hold anything."""
        place = self.places.get(variant or "")
        return "#runs" if place is None else f"#v{place}"

    def name(self, variant: str) -> Cell:
        """Return the cell that names a variant."""
        return Cell(variant, variant, self.to(variant))


def estimate_cell(
    estimate: Estimate | None, digits: int, link: str = "", missing: str = ""
) -> Cell:
    """Return mean ± standard deviation, with each seed's value as hint."""
    if estimate is None:
        return Cell(numbers.MISSING, None, link, missing)
    pairs = zip(estimate.seeds, estimate.values, strict=True)
    hint = "; ".join(
        ("" if seed is None else f"seed {seed}: ") + numbers.fixed(value, digits)
        for seed, value in pairs
    )
    return Cell(numbers.spread(estimate, digits), estimate.mean, link, hint)


def change_cell(change: Interval | None, digits: int, link: str = "", hint: str = "") -> Cell:
    """Return a difference with its interval."""
    return Cell(numbers.change(change, digits), change.value if change else None, link, hint)


def verdict_cell(verdict: Verdict, link: str = "", *, brief: bool = False) -> Cell:
    """Return a mark and a word, and unless `brief` the number of seeds that would settle it."""
    word, more = verdict.word.value, verdict.more_seeds
    need = f"about {more} more {'seed' if more == 1 else 'seeds'}" if more else ""
    text = f"{MARKS[verdict.word]}\N{NO-BREAK SPACE}{word}"
    hint = "; ".join(filter(None, (verdict.reason, need)))
    return Cell(text if brief or not need else f"{text}, {need}", word, link, hint, word)


def without_empty_columns(table: Table) -> Table:
    """Return `table` without the columns that hold nothing in any line."""
    full = [
        index
        for index in range(len(table.columns))
        if any(line.cells[index].text not in {"", numbers.MISSING} for line in table.lines)
    ]
    return _with_columns(table, full)


def without_details(table: Table) -> Table:
    """Return `table` without its detail columns."""
    return _with_columns(table, [i for i, each in enumerate(table.columns) if not each.detail])


def _with_columns(table: Table, kept: Iterable[int]) -> Table:
    kept = list(kept)
    lines = [replace(line, cells=tuple(line.cells[i] for i in kept)) for line in table.lines]
    return replace(table, columns=tuple(table.columns[i] for i in kept), lines=tuple(lines))
