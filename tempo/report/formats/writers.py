"""Write a table as Markdown, LaTeX, HTML, CSV or JSON; any record of a comparison as JSON."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from tempo.report.formats.phrases import visible
from tempo.report.formats.table import BEST, Cell, Column, Table

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_BULLET = re.compile(r"^([+=-])|^(\d+)([.)])")


def escape_markdown(text: str) -> str:
    """Return text on one line in which Markdown and the HTML inside Markdown find no markup."""
    return (
        _MARKUP.sub(r"\\\1", visible(" ".join(text.split())))
        .replace("\\<", "&lt;")
        .replace("\\>", "&gt;")
    )


def paragraph(text: str) -> str:
    """Return escaped text that does not open a list either."""
    return _BULLET.sub(lambda found: f"\\{found[1]}" if found[1] else f"{found[2]}\\{found[3]}",
                       escape_markdown(text))  # fmt: skip


def markdown(table: Table) -> str:
    """Return the title, the caption, the table, and its notes as a list."""
    return "\n".join(markdown_lines(table)) + "\n"


def markdown_lines(table: Table) -> Iterator[str]:
    """Yield the lines of `markdown`."""
    if table.title:
        yield f"# {escape_markdown(table.title)}\n"
    if table.caption:
        yield f"{paragraph(table.caption)}\n"
    yield _line(Cell(column.heading) for column in table.columns)
    yield "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|"
    for line in table.lines:
        yield _line(line.cells)
    yield ""
    for line in table.lines:
        if line.note:
            yield f"- {paragraph(f'{line.cells[0].text}: {line.note}')}"
    yield from (f"- {paragraph(note)}" for note in table.footnotes)
    yield ""


def _line(cells: Iterable[Cell]) -> str:
    return f"| {' | '.join(map(_markdown_cell, cells))} |"


def _markdown_cell(cell: Cell) -> str:
    text = escape_markdown(cell.text)
    return f"**{text}**" if cell.tone == BEST and text else text


_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "Δ": r"$\Delta$",
    "≈": r"$\approx$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\to$",
    "▴": r"$\blacktriangle$",
    "▾": r"$\blacktriangledown$",
    "○": r"$\circ$",
    "†": r"$\dagger$",
    "•": r"$\bullet$",
    "—": "---",
    "–": "--",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "\u2009": r"\,",
    "\u00a0": "~",
}


def escape_latex(text: str) -> str:
    """Return text that LaTeX sets as written; a letter without a font becomes its code."""
    return "".join(_SPECIAL.get(c) or _plain(c) for c in re.sub(r"\s", " ", text))


def _plain(c: str) -> str:
    if ord(c) < 127:
        return c if c.isprintable() else ""
    if ord(c) < 0x250 and c.isprintable():
        return c
    base = unicodedata.normalize("NFKD", c)
    if base.isascii() and base.isprintable():
        return "".join(_SPECIAL.get(each, each) for each in base)
    return f"[U+{ord(c):04X}]"


def latex(table: Table) -> str:
    """Return a `table` environment; needs booktabs, amssymb, and T1 fonts for accents.

    A table with groups of columns may be wide: it is shrunk to the width of the text, which needs
    graphicx too.
    """
    graphicx = "\\usepackage{graphicx}, " if table.groups else ""
    spec = "".join("r" if column.numeric else "l" for column in table.columns)
    lines = [
        f"% Needs \\usepackage{{booktabs}}, {graphicx}\\usepackage{{amssymb}} and "
        "\\usepackage[T1]{fontenc}.",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{escape_latex(table.caption or table.title)}}}",
        f"  \\label{{tab:{table.name}}}",
        *([_SHRUNK] if table.groups else []),
        f"  \\begin{{tabular}}{{@{{}}{spec}@{{}}}}",
        "    \\toprule",
        *_latex_head(table),
        "    \\midrule",
    ]
    # Without the braces, a label's leading bracket would be read as an argument of \\.
    lines += ["    {}" + " & ".join(map(_latex_cell, line.cells)) + " \\\\" for line in table.lines]
    lines += ["    \\bottomrule", "  \\end{tabular}" + ("}" if table.groups else "")]
    lines += [f"  \\par\\footnotesize {escape_latex(note)}" for note in table.footnotes]
    lines += ["\\end{table}", ""]
    return "\n".join(lines)


_SHRUNK = "  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"


def _latex_cell(cell: Cell) -> str:
    text = escape_latex(cell.text)
    return f"\\textbf{{{text}}}" if cell.tone == BEST and text else text


def _latex_head(table: Table) -> Iterator[str]:
    """Yield the lines of the head: the groups over their columns, then the columns."""
    rules, at = [], 1
    if table.groups:
        over = []
        for name, span in table.groups:
            if not name:
                over += [""] * span
            else:
                over.append(f"\\multicolumn{{{span}}}{{c}}{{{escape_latex(name)}}}")
                rules.append(f"\\cmidrule(lr){{{at}-{at + span - 1}}}")
            at += span
        yield f"    {' & '.join(over)} \\\\"
        yield f"    {' '.join(rules)}"
    head = " & ".join(escape_latex(column.own_heading) for column in table.columns)
    # Without the braces, a heading's leading bracket would be read as an argument of the rules.
    yield f"    {{}}{head} \\\\" if table.groups else f"    {head} \\\\"


_NUMERIC = ' style="text-align: right"'


def to_html(table: Table) -> str:
    """Return a `<table>` with its notes: escaped, without style sheet, script or link."""
    heading = ": ".join(filter(None, (table.title, table.caption)))
    head = "".join(_tag("th", each, each.heading, each.hint) for each in table.columns)
    lines = []
    for line in table.lines:
        pairs = zip(table.columns, line.cells, strict=True)
        cells = "".join(_tag("td", each, cell.text, cell.hint, cell.tone) for each, cell in pairs)
        lines.append(f"<tr>{cells}</tr>")
    notes = [line.note for line in table.lines if line.note] + list(table.footnotes)
    return "\n".join(
        [
            "<div><table>",
            *([f"<caption>{_html_text(heading)}</caption>"] if heading else []),
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *lines,
            "</tbody></table>",
            *(f"<div><small>{_html_text(note)}</small></div>" for note in notes),
            "</div>",
        ]
    )


def _tag(tag: str, column: Column, text: str, hint: str, tone: str = "") -> str:
    title = f' title="{_html_text(hint)}"' if hint else ""
    shown = f"<b>{_html_text(text)}</b>" if tone == BEST else _html_text(text)
    return f"<{tag}{_NUMERIC if column.numeric else ''}{title}>{shown}</{tag}>"


def _html_text(text: str) -> str:
    return html.escape(visible(text))


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def csv_text(table: Table) -> str:
    """Return a header and one line of CSV a line; what is missing is an empty cell.

    A label that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_safe(column.heading) for column in table.columns])
    writer.writerows([_safe(value) for value in record.values()] for record in table.records())
    return buffer.getvalue()


def _safe(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = _UNWRITABLE.sub("\ufffd", value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def json_text(value: Any) -> str:
    """Return a table or comparison as JSON: missing or NaN becomes null, infinity a string."""
    plain = to_json(value.records() if isinstance(value, Table) else value)
    return json.dumps(plain, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def to_json(value: Any) -> Any:
    """Return nested lists, mappings and JSON values."""
    if isinstance(value, float):
        return value if isfinite(value) else None if isnan(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Path | Enum):
        return str(value) if isinstance(value, Path) else to_json(value.value)
    raise TypeError(f"{type(value).__name__} is no part of a comparison")


WRITERS: Mapping[str, Callable[[Table], str]] = {
    "csv": csv_text,
    "html": to_html,
    "json": json_text,
    "latex": latex,
    "md": markdown,
}
"""By the name that the command line gives a format; the terminal has a writer of its own."""
