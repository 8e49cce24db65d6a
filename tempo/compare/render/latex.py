"""The table in LaTeX."""

from __future__ import annotations

import unicodedata

from tempo.compare.comparison import Comparison
from tempo.compare.render.grid import results, shorten

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "Δ": r"$\Delta$",
    "…": r"\ldots{}",
    "[": "{[}",
    "]": "{]}",
} | {each: f"\\{each}" for each in "&%$#_{}"}


def escape(text: str) -> str:
    """Text that pdfLaTeX sets as it is written; a letter that T1 fonts lack becomes its code."""
    line = " ".join(text.split())
    return "".join(_SPECIAL[each] if each in _SPECIAL else _plain(each) for each in line)


def _plain(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isprintable() else ""
    if letter.isprintable() and unicodedata.category(letter)[0] == "L" and ord(letter) < 0x180:
        return letter
    base = unicodedata.normalize("NFKD", letter)
    if base.isascii() and base.isprintable():
        return "".join(_SPECIAL.get(each, each) for each in base)
    return f"{{[}}U+{ord(letter):04X}{{]}}"


def latex(comparison: Comparison) -> str:
    """A `table` with booktabs rules; needs booktabs, and T1 fonts for letters with accents."""
    grid = results(comparison)
    columns = "".join("r" if numeric else "l" for numeric in grid.numeric)
    caption = escape(shorten(comparison.question or comparison.study, 200))
    notes = [rf"\footnotesize {escape(note)}\par" for note in grid.notes]
    lines = [
        r"% \usepackage[T1]{fontenc}",
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _line(grid.headings),
        r"\midrule",
        *(_line(line) for line in grid.lines),
        r"\bottomrule",
        r"\end{tabular}",
        *notes,
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return " & ".join(escape(cell) for cell in cells) + r" \\"
