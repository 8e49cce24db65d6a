"""Write a table in Markdown, for a pull request, a wiki or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tempo.report.formats.phrases import visible
from tempo.report.formats.table import Table

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_BULLET = re.compile(r"^([+=-])|^(\d+)([.)])")


def escape(text: str) -> str:
    """Return text on one line in which Markdown and the HTML inside Markdown find no markup."""
    return (
        _MARKUP.sub(r"\\\1", visible(" ".join(text.split())))
        .replace("\\<", "&lt;")
        .replace("\\>", "&gt;")
    )


def paragraph(text: str) -> str:
    """Return escaped text that does not open a list either."""
    return _BULLET.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}",
                       escape(text))  # fmt: skip


def markdown(table: Table) -> str:
    """Return the title, the caption, the table, and its notes as a list."""
    return "\n".join(markdown_lines(table)) + "\n"


def markdown_lines(table: Table) -> Iterator[str]:
    """Yield the lines of `markdown`."""
    if table.title:
        yield f"# {escape(table.title)}\n"
    if table.caption:
        yield f"{paragraph(table.caption)}\n"
    yield _line(column.heading for column in table.columns)
    yield "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|"
    for line in table.lines:
        yield _line(cell.text for cell in line.cells)
    yield ""
    for line in table.lines:
        if line.note:
            yield f"- {paragraph(f'{line.cells[0].text}: {line.note}')}"
    yield from (f"- {paragraph(note)}" for note in table.footnotes)
    yield ""


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(map(escape, texts))} |"
