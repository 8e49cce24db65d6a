"""The report as Markdown: for a pull request, a wiki or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tempo.compare.comparison import Comparison
from tempo.report.export import Made, Plate
from tempo.report.parts import NotApplicable
from tempo.report.phrases import visible
from tempo.report.summary import summary
from tempo.report.tables.grid import Table

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def escape(text: str) -> str:
    """Text on one line that Markdown and the HTML inside it leave alone."""
    return (
        _MARKUP.sub(r"\\\1", visible(" ".join(text.split())))
        .replace("\\<", "&lt;")
        .replace("\\>", "&gt;")
    )


def report_md(
    comparison: Comparison, figures: Mapping[str, Made], tables: Mapping[str, Table | NotApplicable]
) -> str:
    """Everything but the viewer: the verdict, tables, figures as files, failures."""
    return "\n".join(_blocks(comparison, figures, tables)) + "\n"


def _blocks(
    comparison: Comparison, figures: Mapping[str, Made], tables: Mapping[str, Table | NotApplicable]
) -> Iterator[str]:
    told = summary(comparison)
    yield f"# {escape(comparison.study)}\n"
    if comparison.question:
        yield f"*{escape(comparison.question)}*\n"
    for banner in told.banners:
        yield f"> **{escape(banner.title)}.** {escape(banner.text)}\n"
    yield f"**{escape(told.verdict)}**\n"
    yield from (f"- {escape(sentence)}" for sentence in told.also)
    yield ""
    for title, entries in (("Study", told.facts), ("Held equal", told.equal)):
        if entries:
            yield f"## {title}\n"
            yield from (f"- {escape(name)}: {escape(value)}" for name, value in entries.items())
            yield ""
    yield "## Failed or differs\n"
    bad = (*told.failed, *told.differs)
    yield from (f"- {escape(sentence)}" for sentence in bad or ("Nothing.",))
    yield ""
    for name, table in tables.items():
        if isinstance(table, Table):
            yield f"## {escape(name.replace('_', ' ').capitalize())}\n"
            yield from _table(table)
    for plate in figures.values():
        if isinstance(plate, Plate):
            yield f"![{escape(plate.caption)}](figures/{plate.name}.png)\n"
            yield f"*{escape(plate.caption)}*\n"


def _table(table: Table) -> Iterator[str]:
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
