"""The table in Markdown."""

from __future__ import annotations

import re

from tempo.compare.comparison import Comparison
from tempo.compare.render.grid import results, shorten

_SPECIAL = re.compile(r"([\\`*_|~$]|(?<=\])[(\[:])")
_OPENING = re.compile(r"^([#+>=-]|\d+(?=[.)]))")


def escape(text: str) -> str:
    """Text that Markdown shows as it is written, also inside a table and with HTML allowed."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", " ".join(safe.split()))


def _paragraph(text: str) -> str:
    """Escaped text that does not open a heading, a list or a quotation either."""
    return _OPENING.sub(r"\\\1", escape(text))


def markdown(comparison: Comparison) -> str:
    """A heading, the table and its notes as a list."""
    grid = results(comparison)
    rule = ["---:" if numeric else ":---" for numeric in grid.numeric]
    lines = [
        f"# {_paragraph(shorten(comparison.study))}",
        "",
        _paragraph(comparison.question),
        "",
        _line([escape(each) for each in grid.headings]),
        _line(rule),
        *(_line([escape(cell) for cell in line]) for line in grid.lines),
        "",
        *(f"- {_paragraph(note)}" for note in grid.notes),
        "",
    ]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
