"""Write a whole page as Markdown, for a pull request or a wiki."""

from __future__ import annotations

from collections.abc import Iterator

from tempo.report.figures.export import Plate
from tempo.report.formats.markdown import escape, markdown_lines
from tempo.report.formats.table import Table
from tempo.report.pages.page import Page
from tempo.report.pages.summary import Box


def report_md(page: Page) -> str:
    """Return the verdict, the tables and the figures as files; viewer and runs are left out."""
    return "\n".join(_blocks(page)) + "\n"


def _blocks(page: Page) -> Iterator[str]:
    yield f"# {escape(page.title)}\n"
    if page.question:
        yield f"*{escape(page.question)}*\n"
    for banner in page.summary.banners:
        yield f"> **{escape(banner.title)}.** {escape(banner.text)}\n"
    yield f"**{escape(page.summary.verdict)}**\n"
    yield from (f"- {escape(sentence)}" for sentence in page.summary.also)
    yield ""
    for box in page.summary.boxes:
        yield from _box(box)
    for name, table in page.tables.items():
        if isinstance(table, Table):
            yield f"## {escape(name.replace('_', ' ').capitalize())}\n"
            yield from markdown_lines(table)
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
