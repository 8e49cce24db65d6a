"""The report as Markdown: for a pull request, a wiki or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tempo.report.figures.export import Plate
from tempo.report.formats.phrases import visible
from tempo.report.formats.table import Table
from tempo.report.pages.first_screen import Box
from tempo.report.pages.page import Page

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def escape(text: str) -> str:
    """Text on one line that Markdown and the HTML inside it leave alone."""
    return (
        _MARKUP.sub(r"\\\1", visible(" ".join(text.split())))
        .replace("\\<", "&lt;")
        .replace("\\>", "&gt;")
    )


def report_md(page: Page) -> str:
    """Everything but the viewer and the runs: the verdict, tables, figures as files."""
    return "\n".join(_blocks(page)) + "\n"


def _blocks(page: Page) -> Iterator[str]:
    yield f"# {escape(page.title)}\n"
    if page.question:
        yield f"*{escape(page.question)}*\n"
    for banner in page.front.banners:
        yield f"> **{escape(banner.title)}.** {escape(banner.text)}\n"
    yield f"**{escape(page.front.verdict)}**\n"
    yield from (f"- {escape(sentence)}" for sentence in page.front.also)
    yield ""
    for box in page.front.boxes:
        yield from _box(box)
    for name, table in page.tables.items():
        if isinstance(table, Table):
            yield f"## {escape(name.replace('_', ' ').capitalize())}\n"
            yield from table_md(table)
    for plate in page.figures.values():
        if isinstance(plate, Plate) and "png" in plate.files:
            yield f"![{escape(plate.caption)}](figures/{plate.name}.png)\n"
            yield f"*{escape(plate.caption)}*\n"


def _box(box: Box) -> Iterator[str]:
    yield f"## {escape(box.title)}\n"
    yield from (f"- {escape(name)}: {escape(value)}" for name, value in box.entries.items())
    yield from (f"- {escape(each.text)}" for each in box.remarks)
    if not box.entries and not box.remarks:
        yield escape(box.empty)
    yield ""


def table_md(table: Table) -> Iterator[str]:
    """The lines of `table` as a Markdown table, its notes beneath it."""
    yield f"{escape(table.caption)}\n"
    yield "| " + " | ".join(escape(column.heading) for column in table.columns) + " |"
    yield "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|"
    for line in table.lines:
        yield "| " + " | ".join(escape(cell.text) for cell in line.cells) + " |"
    yield ""
    for note in (*(line.note for line in table.lines), *table.footnotes):
        if note:
            yield f"{escape(note)}  "
    yield ""
