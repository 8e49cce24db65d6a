"""Draw a contact sheet: one clip a row, with the error of frame averaging."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tempo.data.clips import Clip, Pixels
from tempo.records.files import write_atomic

WIDTH = 224
CAPTION = 18
GAP = 6
BACKGROUND, INK = (250, 250, 248), (40, 40, 40)
GAIN = 3
"""Differences are shown this many times stronger."""


def draw_sheet(rows: Sequence[tuple[Clip, str]], title: str) -> Image.Image:
    """Draw each clip's outer frames with its target between, and |average - target| amplified."""
    strips = [_strip(clip, caption) for clip, caption in rows]
    head = _text(f"{title}    first, target, last, {GAIN} x |average of both - target|",
                 max([strip.width for strip in strips], default=4 * WIDTH))  # fmt: skip
    parts = [head, *strips]
    height = sum(part.height + GAP for part in parts) + GAP
    sheet = Image.new("RGB", (max(p.width for p in parts) + 2 * GAP, height), BACKGROUND)
    top = GAP
    for part in parts:
        sheet.paste(part, (GAP, top))
        top += part.height + GAP
    return sheet


def save_sheet(path: Path, sheet: Image.Image) -> None:
    """Write the sheet as PNG: the old file or the new one, never a part."""
    buffer = BytesIO()
    sheet.save(buffer, "png")
    write_atomic(path, lambda file: file.write(buffer.getvalue()))


def _strip(clip: Clip, caption: str) -> Image.Image:
    first, last = clip.frames[0], clip.frames[-1]
    blend = first.astype(np.float32) / 2 + last.astype(np.float32) / 2
    wrong = np.clip(GAIN * np.abs(blend - clip.target), 0, 255).astype(np.uint8)
    tiles = [_tile(each) for each in (first, clip.target, last, wrong)]
    label = _text(caption, len(tiles) * (WIDTH + GAP) - GAP)
    strip = Image.new("RGB", (label.width, label.height + tiles[0].height), BACKGROUND)
    strip.paste(label, (0, 0))
    for place, tile in enumerate(tiles):
        strip.paste(tile, (place * (WIDTH + GAP), label.height))
    return strip


def _tile(pixels: Pixels) -> Image.Image:
    height, width = pixels.shape[:2]
    size = (WIDTH, max(1, round(height * WIDTH / width)))
    return Image.fromarray(pixels).resize(size, Image.Resampling.BOX)


def _text(text: str, width: int) -> Image.Image:
    image = Image.new("RGB", (width, CAPTION), BACKGROUND)
    font = ImageFont.load_default(size=12)
    while len(text) > 1 and font.getlength(text) > width:
        text = text[:-2] + "\u2026"
    ImageDraw.Draw(image).text((0, 1), text, fill=INK, font=font)
    return image
