"""Write a table as a small piece of HTML, for notebooks."""

from __future__ import annotations

from html import escape

from tempo.report.formats.phrases import visible
from tempo.report.formats.table import Cell, Column, Table

_NUMERIC = ' style="text-align: right"'


def to_html(table: Table) -> str:
    """Return a `<table>` with its notes: escaped, without style sheet, script or link."""
    heading = ": ".join(filter(None, (table.title, table.caption)))
    head = "".join(_tag("th", each, each.heading, each.hint) for each in table.columns)
    lines = [
        "<tr>" + "".join(map(_cell, table.columns, line.cells)) + "</tr>" for line in table.lines
    ]
    notes = [line.note for line in table.lines if line.note] + list(table.footnotes)
    return "\n".join(
        [
            "<div><table>",
            *([f"<caption>{_text(heading)}</caption>"] if heading else []),
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *lines,
            "</tbody></table>",
            *(f"<div><small>{_text(note)}</small></div>" for note in notes),
            "</div>",
        ]
    )


def _cell(column: Column, cell: Cell) -> str:
    return _tag("td", column, cell.text, cell.hint)


def _tag(tag: str, column: Column, text: str, hint: str) -> str:
    title = f' title="{_text(hint)}"' if hint else ""
    return f"<{tag}{_NUMERIC if column.numeric else ''}{title}>{_text(text)}</{tag}>"


def _text(text: str) -> str:
    return escape(visible(text))
