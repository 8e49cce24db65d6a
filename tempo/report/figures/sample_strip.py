"""Draw samples side by side: inputs, target, each variant, and the errors beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import GalleryClip
from tempo.report.figures.drawing import Drawing, shown_variants
from tempo.report.figures.style import WIDE
from tempo.report.formats import numbers
from tempo.report.formats.phrases import sentences, title, told_properties
from tempo.report.formats.table import NotApplicable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CLIPS = 3
GAIN = 4
"""Errors are shown this many times brighter: a quarter of the full range is white."""

GAP = 0.035
LINE = 0.13
"""Inches between pictures, and for a line of small type."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One axes in inches, y downwards, on which pictures of `width` x `height` are laid."""

    axes: Axes
    width: float
    height: float

    def picture(self, pixels: Any, column: int, top: float, cmap: str | None = None) -> None:
        """Lay `pixels` (height, width[, 3]) in a column, `top` inches down."""
        left = column * (self.width + GAP)
        extent = (left, left + self.width, top + self.height, top)
        self.axes.imshow(
            pixels, extent=extent, cmap=cmap, vmin=0, vmax=1, interpolation="nearest", aspect="auto"
        )

    def text(self, words: str, column: int, top: float, side: str = "center") -> None:
        """Write small type in a column, `top` inches down."""
        left = column * (self.width + GAP) + (self.width / 2 if side == "center" else 0)
        self.axes.text(left, top, words, ha=side, va="top", fontsize=6.8, linespacing=1.35)


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Draw the gallery clips on which the variants disagree most."""
    clips = [clip for clip in comparison.gallery if clip.inputs and clip.target.is_file()][:CLIPS]
    have = {picture.variant for clip in clips for picture in clip.pictures}
    plain = [row.variant for row in comparison.references if row.variant in have][:1]
    shown = shown_variants(comparison, have, 4, 18)
    names = (*plain, *shown.names)
    if not clips or not names:
        return NotApplicable("no finished run kept pictures of its predictions")
    from matplotlib.figure import Figure

    rows, columns = _read(clips[0].target).shape[:2]
    width = (WIDE + GAP) / (3 + len(names)) - GAP
    height = width * rows / columns
    block = 2 * height + GAP + 2.2 * LINE
    figure = Figure(figsize=(WIDE, LINE * 1.3 + block * len(clips) - LINE))
    axes = figure.add_axes((0, 0, 1, 1))
    sheet = Sheet(axes, width, height)
    labels = {**shown.labels, **{name: name for name in plain}}
    for column, words in enumerate(
        ["first input", "last input", "target", *map(labels.get, names)]
    ):
        sheet.text(words or "", column, 0.01)
    for index, clip in enumerate(clips):
        _clip(sheet, LINE * 1.3 + index * block, clip, names, comparison)
    axes.set(xlim=(0, figure.get_figwidth()), ylim=(figure.get_figheight(), 0))
    axes.set_axis_off()
    caption = sentences(
        f"The {len(clips)} kept clips on which the variants disagree most, one seed each.",
        f"Beneath each prediction its absolute error, mean over channels, {GAIN} times brighter;",
        f"number: {title(comparison.info(comparison.metric))} of that seed on that clip.",
        shown.omitted,
    )
    return Drawing(figure, caption)


def _clip(
    sheet: Sheet, top: float, clip: GalleryClip, names: Sequence[str], comparison: Comparison
) -> None:
    target = _read(clip.target)
    below = top + sheet.height + GAP
    for column, path in enumerate((clip.inputs[0], clip.inputs[-1])):
        sheet.picture(_read(path), column, top)
    sheet.picture(target, 2, top)
    sheet.text(_describe(clip), 0, below, "left")
    pictures = {picture.variant: picture for picture in clip.pictures}
    digits = comparison.info(comparison.metric).digits
    for column, name in enumerate(names, start=3):
        picture = pictures.get(name)
        if picture is None or not picture.path.is_file():
            sheet.text("no picture", column, top + sheet.height / 2)
            continue
        pixels = _read(picture.path)
        sheet.picture(pixels, column, top)
        error = abs(pixels.astype(float) - target).mean(-1) * (GAIN / 255)
        sheet.picture(error, column, below, "magma")
        value = numbers.fixed(picture.values.get(comparison.metric), digits)
        sheet.text(value, column, below + sheet.height + 0.02)


def _describe(clip: GalleryClip) -> str:
    lines = [numbers.shorten(clip.clip, 26), numbers.shorten(clip.source, 26)]
    return "\n".join([*lines, *told_properties(clip)[:3]])


def _read(path: Path) -> Any:
    """Return a picture as uint8 of shape (height, width, 3)."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
