"""Draw TEMPO V2 and V3 as SVG, for light and for dark pages, into docs/images.

    python docs/site/draw_networks.py

Widths, blocks and kinds are read from the presets, so that the drawing says what is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from tempo.spec.arch import ArchSpec
from tempo.spec.presets import PRESETS

IMAGES = Path(__file__).parents[1] / "images"
WIDTH, HEIGHT = 480, 600
LEFT, MIDDLE, RIGHT = (14, 160), (194, 92), (306, 160)
"""Left edge and width of the columns: encoder, fusion, decoder."""
SCALES = ("full size", "1/2", "1/4", "1/8")
ROWS = (166, 244, 322, 400)
TALL = 54


@dataclass(frozen=True)
class Colours:
    """Text, lines, and fill and edge of each kind of box."""

    text: str
    quiet: str
    line: str
    encoder: tuple[str, str]
    fusion: tuple[str, str]
    decoder: tuple[str, str]
    picture: tuple[str, str]


THEMES = {
    "light": Colours(
        "#1f2933",
        "#52606d",
        "#66727f",
        ("#e3eefb", "#2b6cb0"),
        ("#fdf0d9", "#a8690b"),
        ("#e3f4e8", "#2f7d52"),
        ("#ffffff", "#66727f"),
    ),
    "dark": Colours(
        "#eceff4",
        "#b4bdc9",
        "#98a3b1",
        ("#1d3350", "#7ab2ee"),
        ("#46351a", "#e2b15a"),
        ("#1d3d2b", "#78c698"),
        ("#262a35", "#98a3b1"),
    ),
}

BLOCKS = {
    "post_act": ("conv", "norm", "act", "conv", "norm", "add", "act"),
    "pre_act": ("norm", "act", "conv", "norm", "act", "conv", "add"),
}
DECODERS = {"plain": "skip joined last", "refined": "skip joined first"}
CONDITIONING = {"film": "FiLM", "film_attention": "FiLM + attention", "none": "no time"}
HEADS = {"blocks": "conv, blocks, conv", "taper": "three convs"}


def preset(name: str) -> ArchSpec:
    """Return the network that a preset names, at its default width."""
    fields: dict[str, Any] = dict(PRESETS.get(name))
    return ArchSpec.model_validate(fields)


def draw(name: str, title: str, colours: Colours) -> str:
    """Return the drawing of a preset as the text of an SVG file."""
    arch = preset(name)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto-start-reverse">'
        f'<path d="M0 0 8 4 0 8z" fill="{colours.line}"/></marker></defs>',
        *_arrows(colours),
        *_boxes(arch, title, colours),
        *_block(arch, colours),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _boxes(arch: ArchSpec, title: str, colours: Colours) -> Iterator[str]:
    yield _text(LEFT[0], 24, title, colours.text, size=17, weight=600)
    yield _box(LEFT, 40, 44, colours.picture, colours, "frames and", "their times")
    yield _box(MIDDLE, 40, 44, colours.picture, colours, "blend", "by time")
    yield _box(RIGHT, 40, 44, colours.picture, colours, "predicted frame", "= blend + residual")
    yield _box(RIGHT, 104, 42, colours.decoder, colours, "residual", HEADS[arch.head.kind])
    for row, (top, scale, channels) in enumerate(zip(ROWS, SCALES, arch.channels, strict=True)):
        groups = arch.blocks[row]
        blocks = " + ".join(map(str, groups)) if groups else "no"
        plural = "block" if groups == (1,) else "blocks"
        lines = (f"{scale}, {channels} channels", f"{blocks} {plural}")
        yield _box(LEFT, top, TALL, colours.encoder, colours, *lines)
        yield _box(MIDDLE, top, TALL, colours.fusion, colours, "fuse views", "by time")
    refine: tuple[int, ...] = arch.decoder.refine  # type: ignore[attr-defined]
    for row, count in enumerate(reversed(refine)):
        plural = "block" if count == 1 else "blocks"
        lines = (f"up, {count} {plural}", DECODERS[arch.decoder.kind])
        yield _box(RIGHT, ROWS[row], TALL, colours.decoder, colours, *lines)


def _arrows(colours: Colours) -> Iterator[str]:
    centre = {name: at + wide / 2 for name, (at, wide) in _columns().items()}
    right = {name: at + wide for name, (at, wide) in _columns().items()}
    yield _arrow(colours, (centre["left"], 84), (centre["left"], ROWS[0]))
    yield _arrow(colours, (right["left"], 62), (MIDDLE[0], 62))
    yield _arrow(colours, (right["middle"], 62), (RIGHT[0], 62))
    yield _arrow(colours, (centre["right"], 104), (centre["right"], 84))
    yield _arrow(colours, (centre["right"], ROWS[0]), (centre["right"], 146))
    for row, top in enumerate(ROWS):
        level = top + TALL / 2
        yield _arrow(colours, (right["left"], level), (MIDDLE[0], level))
        if row < len(ROWS) - 1:
            yield _arrow(colours, (centre["left"], top + TALL), (centre["left"], ROWS[row + 1]))
            yield _arrow(colours, (right["middle"], level), (RIGHT[0], level))
        else:
            corner = (centre["right"], level)
            yield _arrow(colours, (right["middle"], level), corner, (corner[0], ROWS[2] + TALL))
    for top, below in pairwise(ROWS[:3]):
        yield _arrow(colours, (centre["right"], below), (centre["right"], top + TALL))


def _columns() -> dict[str, tuple[int, int]]:
    return {"left": LEFT, "middle": MIDDLE, "right": RIGHT}


def _block(arch: ArchSpec, colours: Colours) -> Iterator[str]:
    """Yield one block, as a row of its steps, and what stands around it."""
    steps = BLOCKS[arch.block.kind]
    top, wide, gap = 504, 52, 13
    yield _text(LEFT[0], top - 14, "One block", colours.text, weight=600)
    for place, step in enumerate(steps):
        left = LEFT[0] + place * (wide + gap)
        yield _box((left, wide), top, 28, colours.encoder, colours, step)
        if place:
            yield _arrow(colours, (left - gap, top + 14), (left, top + 14))
    notes = []
    if arch.se.kind != "none":
        notes.append("channel attention (SE)")
    if set(arch.dilations) != {1}:
        notes.append(f"dilations {', '.join(map(str, arch.dilations))}")
    if arch.residual_group.kind == "learnable":
        notes.append("learned residual scale")
    first = "; ".join(notes) or "no channel attention, no dilation, no outer residual"
    yield _text(LEFT[0], top + 54, first, colours.quiet, size=12)
    told = CONDITIONING[arch.conditioning.kind]
    told = f"every stage is told the time by {told}; activation {arch.activation}"
    yield _text(LEFT[0], top + 74, told, colours.quiet, size=12)


def _box(
    column: tuple[float, float],
    top: float,
    tall: float,
    paint: tuple[str, str],
    colours: Colours,
    *lines: str,
) -> str:
    left, wide = column
    fill, edge = paint
    first = top + tall / 2 + 4.5 - 8.5 * (len(lines) - 1)
    texts = "".join(
        _text(
            left + wide / 2,
            first + 17 * place,
            line,
            colours.quiet if place else colours.text,
            anchor="middle",
            size=12 if place else 13,
        )
        for place, line in enumerate(lines)
    )
    return (
        f'<rect x="{left}" y="{top}" width="{wide}" height="{tall}" rx="5" '
        f'fill="{fill}" stroke="{edge}"/>{texts}'
    )


def _text(
    x: float,
    y: float,
    text: str,
    colour: str,
    *,
    anchor: str = "start",
    size: int = 13,
    weight: int = 400,
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}" '
        f'font-size="{size}" font-weight="{weight}">{escape(text)}</text>'
    )


def _arrow(colours: Colours, *points: tuple[float, float]) -> str:
    path = " ".join(f"{x:g} {y:g}" for x, y in points)
    return (
        f'<path d="M{path}" fill="none" stroke="{colours.line}" stroke-width="1.4" '
        'marker-end="url(#tip)"/>'
    )


def files() -> dict[Path, str]:
    """Return every drawing by the file that holds it."""
    return {
        IMAGES / f"{name}_{theme}.svg": draw(name, title, colours)
        for name, title in (("tempo_v2", "TEMPO V2"), ("tempo_v3", "TEMPO V3"))
        for theme, colours in THEMES.items()
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
