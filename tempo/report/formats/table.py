"""A table as data, so that the page, Markdown and LaTeX print the same cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tempo.compare.comparison import Comparison
from tempo.compare.statistics.quantities import Estimate, Verdict, Word
from tempo.report.formats import numbers

MARKS = {
    Word.BETTER: "▴",
    Word.WORSE: "▾",
    Word.EQUIVALENT: "≈",
    Word.INCONCLUSIVE: "○",
    Word.INCOMPARABLE: "×",
}
"""A verdict has a shape as well as a colour."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` is printed, `key` is sorted by; `link` goes to the runs behind the number.

    `hint` says more on hover; `tone` is a verdict word, `quiet` or empty.
    """

    text: str
    key: float | str | None = None
    link: str = ""
    hint: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    label: str
    unit: str = ""
    numeric: bool = True
    hint: str = ""

    @property
    def heading(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, slots=True)
class Line:
    """A row: its cells, a note to print beneath it, and how it stands out."""

    cells: tuple[Cell, ...]
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`name` is its file and anchor; `caption` says what is shown, n and the interval."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    footnotes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Links:
    """Where the runs of a variant are listed on the page."""

    places: Mapping[str, int]

    @classmethod
    def of(cls, comparison: Comparison) -> Links:
        return cls({row.variant: index for index, row in enumerate(comparison.rows)})

    def to(self, variant: str | None) -> str:
        """A fragment that names a place, never a label: labels may hold anything."""
        place = self.places.get(variant or "")
        return "#runs" if place is None else f"#v{place}"


def name_cell(variant: str, links: Links) -> Cell:
    return Cell(variant, key=variant, link=links.to(variant))


def seeds_of(estimate: Estimate, digits: int) -> str:
    """Each seed's value, for a hint."""
    pairs = zip(estimate.seeds, estimate.values, strict=True)
    return "; ".join(
        numbers.fixed(value, digits)
        if seed is None
        else f"seed {seed}: {numbers.fixed(value, digits)}"
        for seed, value in pairs
    )


def verdict_cell(verdict: Verdict, link: str = "", *, brief: bool = False) -> Cell:
    """A mark and a word, and unless `brief` how many more seeds would probably settle it."""
    word, more = verdict.word.value, verdict.more_seeds
    need = f"about {more} more {'seed' if more == 1 else 'seeds'}" if more else ""
    text = f"{MARKS[verdict.word]}\N{NO-BREAK SPACE}{word}"
    hint = "; ".join(filter(None, (verdict.reason, need)))
    return Cell(text if brief or not need else f"{text}, {need}", word, link, hint, word)


def drop_empty(columns: Sequence[Column], lines: Sequence[Line]) -> tuple[list[Column], list[Line]]:
    """Leave out columns that hold nothing in any row."""
    full = [
        index
        for index in range(len(columns))
        if any(line.cells[index].text not in {"", numbers.MISSING} for line in lines)
    ]
    kept = [Line(tuple(line.cells[i] for i in full), line.note, line.tone) for line in lines]
    return [columns[i] for i in full], kept
