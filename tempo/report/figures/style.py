"""Set the style of every figure: sizes, type, colours that colour blindness and print leave apart.

Colours come in pairs, for a light and a dark page. Figures are drawn in the light ones; the page
swaps them by name (`css_variables`), so one drawing serves both schemes and the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

COLUMN = 3.3
"""Width of a figure in inches: one column of a two-column paper."""

WIDE = 6.9
"""Width of a figure over both columns."""


@dataclass(frozen=True, slots=True)
class Ink:
    """A colour by its role, on a light and on a dark page (sRGB hex, lower case)."""

    name: str
    light: str
    dark: str


TEXT = Ink("ink", "#1c1b19", "#e9e6df")
QUIET = Ink("quiet", "#5f5b54", "#aaa59b")
RULE = Ink("rule", "#d6d2c9", "#3d3a36")
PAPER = Ink("paper", "#fffefb", "#171614")
GOOD = Ink("good", "#00775d", "#4cc3a0")
BAD = Ink("bad", "#b8480b", "#f08f58")
UNSURE = Ink("unsure", "#77726a", "#9b968c")

SERIES = (
    Ink("c1", "#0b6cab", "#5db2ec"),
    Ink("c2", "#c9540a", "#f4935a"),
    Ink("c3", "#00806a", "#41c7a6"),
    Ink("c4", "#a23e92", "#dd8dcd"),
    Ink("c5", "#94690a", "#dbb04a"),
    Ink("c6", "#4a4fb3", "#a3a7f2"),
    Ink("c7", "#8a3b3b", "#d99191"),
)
"""After Okabe and Ito (2008), darkened until lines and small type read on white; vermilion and
blue first, because they differ most under every common colour blindness."""

INKS = (TEXT, QUIET, RULE, PAPER, GOOD, BAD, UNSURE, *SERIES)

_DASHES: tuple[Any, ...] = ("solid", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True, slots=True)
class VariantStyle:
    """The colour, marker and dash of one variant in every figure and on the page."""

    colour: str
    marker: str
    dash: Any


def variant_styles(names: Sequence[str], baseline: str | None) -> dict[str, VariantStyle]:
    """Return a style for each variant, in order; the baseline has the colour of the text.

    Colour never stands alone: after seven variants the dash changes too, and markers differ.
    """
    table = {baseline: VariantStyle(TEXT.light, "o", "solid")} if baseline in names else {}
    free = product(_DASHES, SERIES)
    for index, name in enumerate(each for each in names if each != baseline):
        dash, ink = next(free, (_DASHES[index % 4], SERIES[index % 7]))
        table[name] = VariantStyle(ink.light, _MARKERS[(index + 1) % len(_MARKERS)], dash)
    return {name: table[name] for name in names}


def rc() -> Any:
    """Return matplotlib settings of every figure. Type stays text in PDF (TrueType, not Type 3)."""
    return {
        "font.family": ["STIXGeneral", "DejaVu Sans"],
        "font.size": 8.5,
        "axes.labelsize": 8.5,
        "axes.titlesize": 8.5,
        "axes.titlelocation": "left",
        "xtick.labelsize": 7.5,
        "ytick.labelsize": 7.5,
        "legend.fontsize": 7.5,
        "legend.frameon": False,
        "legend.handlelength": 1.6,
        "legend.borderaxespad": 0.2,
        "mathtext.fontset": "stix",
        "text.parse_math": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "axes.edgecolor": QUIET.light,
        "axes.labelcolor": TEXT.light,
        "text.color": TEXT.light,
        "xtick.color": QUIET.light,
        "ytick.color": QUIET.light,
        "xtick.labelcolor": TEXT.light,
        "ytick.labelcolor": TEXT.light,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "grid.color": RULE.light,
        "grid.linewidth": 0.4,
        "lines.linewidth": 1.2,
        "lines.markersize": 4,
        "axes.unicode_minus": True,
        "axes.formatter.useoffset": False,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "pdf.fonttype": 42,
        "svg.fonttype": "path",
        "svg.hashsalt": "tempo",
    }


def css_variables() -> str:
    """Return the colours as CSS custom properties, for both schemes; print is always light."""
    light = " ".join(f"--{ink.name}: {ink.light};" for ink in INKS)
    dark = " ".join(f"--{ink.name}: {ink.dark};" for ink in INKS)
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ "
        f":root:not([data-scheme=light]) {{ color-scheme: dark; {dark} }} }}\n"
        f"@media screen {{ :root[data-scheme=dark] {{ color-scheme: dark; {dark} }} }}\n"
    )
