"""Lay out a table so that its rows stay whole on one line in a terminal of any width.

A column says how important it is. What does not fit is left out as a whole, the least important
column first; names are cut in the middle, so that their beginnings and ends can be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from tempo.report.formats.numbers import shorten

GAP = 2
"""Spaces between two columns."""

SHORTEST = 8
"""Characters below which no name is cut."""

Place = int
"""When a column gets room: 0 always, then 1, 2 ... as long as there is any."""


@dataclass(slots=True, kw_only=True)
class FittedColumn:
    """One column.

    Attributes:
        forms: ways to write its cells, each wider than the one before and with its place.
        least: characters down to which texts are cut in the middle before other columns get room;
            None: never cut.
        folds: such texts are sentences, which go on in the next line instead of being cut.
        left_out: how a note calls the column where it has no room; empty: it is not missed.
    """

    heading: str
    forms: Sequence[tuple[Place, Sequence[Text]]]
    numeric: bool = False
    least: int | None = None
    folds: bool = False
    left_out: str = ""
    width: int = 0
    form: int = -1

    def natural(self, form: int) -> int:
        cells = self.forms[form][1]
        return max([cell_len(self.heading), *(cell.cell_len for cell in cells)])

    @property
    def cells(self) -> Sequence[Text]:
        """The cells in the chosen form, cut to the width."""
        chosen = self.forms[self.form][1]
        if self.least is None or self.folds or self.natural(self.form) <= self.width:
            return chosen
        short = short_names([cell.plain for cell in chosen], self.width)
        return [Text(short[cell.plain], style=cell.style) for cell in chosen]


def column(
    heading: str,
    cells: Sequence[Text],
    place: Place = 0,
    *,
    kind: Literal["text", "number"] = "text",
    least: int | None = None,
    grow: Place = 1,
    folds: bool = False,
    left_out: str = "",
) -> FittedColumn:
    """Return a column of one form; one that may be cut grows to its full width at place `grow`."""
    forms = [(place, cells)] if least is None else [(place, cells), (grow, cells)]
    return FittedColumn(
        heading=heading,
        forms=forms,
        numeric=kind == "number",
        least=least,
        folds=folds,
        left_out=left_out,
    )


def short_names(names: Sequence[str], length: int) -> dict[str, str]:
    """Return each name on one line of at most `length` characters, the middle left out.

    Where to cut is chosen so that different names read differently; where no cut does that, those
    that read alike get a number.
    """
    different = list(dict.fromkeys(names))
    heads = dict.fromkeys(((length - 1) * 2 // 3, (length - 1) // 2, *range(length - 4, 2, -1)))
    for head in heads:
        found = {name: shorten(name, length, head) for name in different}
        if len(set(found.values())) == len(different):
            return found
    return _numbered(different, length)


def _numbered(names: Sequence[str], length: int) -> dict[str, str]:
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        label, count = shorten(name, length), 1
        while label in taken:
            count += 1
            mark = f"({count})"
            label = shorten(name, max(length - len(mark), 1)) + mark
        taken.add(label)
        found[name] = label
    return found


@dataclass(slots=True)
class Layout:
    """The columns that fit into a width, in their order, and what was left out."""

    columns: list[FittedColumn] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """The characters of a row."""
        gaps = GAP * max(len(self.columns) - 1, 0)
        return sum(each.width for each in self.columns) + gaps


def lay_out(columns: Sequence[FittedColumn], width: int) -> Layout:
    """Choose what fits into `width` characters."""
    wishes = sorted(
        (place, index, form)
        for index, each in enumerate(columns)
        for form, (place, _) in enumerate(each.forms)
    )
    room = width + GAP
    for place, index, form in wishes:
        each = columns[index]
        if form != each.form + 1:
            continue
        wanted = each.natural(form)
        if each.least is not None:
            wanted = min(wanted, each.least if form == 0 else each.width + max(room, 0))
        more = wanted - each.width + (GAP if form == 0 else 0)
        if place == 0 or more <= room:
            each.form, each.width = form, wanted
            room -= more
    for each in columns:
        # Not even what always stands fits: cut the names further.
        if room < 0 and each.least is not None and each.form >= 0:
            cut = min(-room, max(each.width - SHORTEST, 0))
            each.width -= cut
            room += cut
    return Layout(
        [each for each in columns if each.form >= 0],
        [each.left_out for each in columns if each.form < 0 and each.left_out],
    )


def grid(layout: Layout, *, headings: bool = True) -> Table:
    """Return the rows as a table, below headings with a line under each."""
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, GAP, 0, 0),
        show_header=headings,
        header_style="",
    )
    for each in layout.columns:
        heading = Text(each.heading, style="bold") + Text(f"\n{'─' * each.width}", style="dim")
        table.add_column(
            heading,
            justify="right" if each.numeric else "left",
            overflow="fold",
            width=each.width if each.folds else None,
        )
    for cells in zip(*(each.cells for each in layout.columns), strict=True):
        table.add_row(*cells)
    return table


def bar(share: float, width: int, style: str = "cyan") -> Text:
    """Return a bar of `width` characters whose `share` done shows without colour too."""
    done = round(min(max(share, 0.0), 1.0) * width)
    return Text("━" * done, style=style) + Text("─" * (width - done), style="dim")
