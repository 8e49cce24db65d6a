"""Write a table in LaTeX, with the rules of booktabs, for a paper."""

from __future__ import annotations

import re
import unicodedata

from tempo.report.formats.table import Table

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
    "•": r"$\bullet$",
    "—": "---",
    "–": "--",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "\u2009": r"\,",
    "\u00a0": "~",
}


def escape(text: str) -> str:
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
    """Return a `table` environment; needs booktabs, amssymb, and T1 fonts for accents."""
    spec = "".join("r" if column.numeric else "l" for column in table.columns)
    head = " & ".join(escape(column.heading) for column in table.columns)
    lines = [
        "% Needs \\usepackage{booktabs}, \\usepackage{amssymb} and \\usepackage[T1]{fontenc}.",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{escape(table.caption or table.title)}}}",
        f"  \\label{{tab:{table.name}}}",
        f"  \\begin{{tabular}}{{@{{}}{spec}@{{}}}}",
        "    \\toprule",
        f"    {head} \\\\",
        "    \\midrule",
    ]
    # Without the braces, a label's leading bracket would be read as an argument of \\.
    lines += [
        "    {}" + " & ".join(escape(cell.text) for cell in line.cells) + " \\\\"
        for line in table.lines
    ]
    lines += ["    \\bottomrule", "  \\end{tabular}"]
    lines += [f"  \\par\\footnotesize {escape(note)}" for note in table.footnotes]
    lines += ["\\end{table}", ""]
    return "\n".join(lines)
