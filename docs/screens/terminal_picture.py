"""Draw what a terminal shows as SVG: its letters in their colours, nothing from a network."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

import pyte
from pyte.screens import Char

WIDE, HIGH, SIZE = 8.4, 18, 14
"""A cell, and the size of a letter, in pixels."""

EDGE, BAR = 12, 28
"""Around the cells, and above them the bar of the window."""

GROUND, INK, QUIET = "#1b2130", "#dfe5ee", "#9aa7b8"
COLOURS = {
    "black": "#1b2130",
    "red": "#f38ba0",
    "green": "#8fd39b",
    "brown": "#e8c170",
    "blue": "#86b7f5",
    "magenta": "#d3a4f0",
    "cyan": "#7fd3d8",
    "white": "#dfe5ee",
    "brightblack": "#9aa7b8",
    "brightred": "#ffa3b4",
    "brightgreen": "#a9e6b3",
    "brightbrown": "#f6d58e",
    "brightyellow": "#f6d58e",
    "brightblue": "#a5cbff",
    "brightmagenta": "#e4bffb",
    "brightcyan": "#9fe8ec",
    "brightwhite": "#ffffff",
}
_FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"


def draw(screen: pyte.Screen, title: str) -> str:
    """Return a window that shows the screen, as the text of an SVG file."""
    width = 2 * EDGE + screen.columns * WIDE
    height = BAR + 2 * EDGE + screen.lines * HIGH
    size = f"{screen.columns} x {screen.lines}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'role="img" font-family="{_FONTS}" font-size="{SIZE}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{GROUND}"/>',
        f'<rect y="{BAR}" width="{width:g}" height="1" fill="{QUIET}" opacity="0.4"/>',
        f'<text x="{width / 2:g}" y="19" text-anchor="middle" fill="{QUIET}" font-size="12">'
        f"{size}</text>",
    ]
    for line in range(screen.lines):
        cells = screen.buffer[line]
        parts += _line([cells[column] for column in range(screen.columns)], line)
    return "\n".join([*parts, "</svg>", ""])


def _line(cells: list[Char], line: int) -> Iterator[str]:
    """Yield the pieces of a line, each of one look."""
    column = 0
    for look, group in groupby(cells, key=_look):
        text = "".join(cell.data for cell in group)
        # The second cell of a wide letter is empty.
        count = max(len(text), 1)
        yield from _piece(text, look, column, line)
        column += count


def _look(cell: Char) -> tuple[str, str, bool, bool, bool]:
    front, back = _colour(cell.fg, INK), _colour(cell.bg, GROUND)
    if cell.reverse:
        front, back = back, front
    return front, back, cell.bold, cell.italics, cell.underscore


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return COLOURS.get(name, f"#{name}")


def _piece(
    text: str, look: tuple[str, str, bool, bool, bool], column: int, line: int
) -> Iterator[str]:
    front, back, bold, italic, underlined = look
    top = BAR + EDGE + line * HIGH
    if back != GROUND:
        yield (
            f'<rect x="{EDGE + column * WIDE:g}" y="{top}" width="{len(text) * WIDE:g}" '
            f'height="{HIGH}" fill="{back}"/>'
        )
    words = text.rstrip()
    if not words:
        return
    start = column + len(words) - len(words.lstrip())
    words = words.lstrip()
    style = ' font-weight="bold"' * bold + ' font-style="italic"' * italic
    style += ' text-decoration="underline"' * underlined
    # The length holds the columns in place, whatever font the reader has.
    yield (
        f'<text x="{EDGE + start * WIDE:g}" y="{top + 13}" textLength="{len(words) * WIDE:g}" '
        f'fill="{front}" xml:space="preserve"{style}>{escape(words)}</text>'
    )
