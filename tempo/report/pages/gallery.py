"""Encode the gallery's pictures for the page, small and within a budget for the whole file."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import GalleryClip, Picture
from tempo.report.figures.drawing import shown_variants
from tempo.report.formats import numbers
from tempo.report.formats.phrases import title, told_properties, visible

BUDGET = 8_000_000
"""Most bytes of pictures in a page, as base64, unless told otherwise."""

VARIANTS = 8
SMALL = 128
"""Pictures up to this many pixels high or wide are kept without loss."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """`clips`: what the viewer needs, as JSON values; `kept` of `total` clips are embedded.

    `pair` are what to show first: the baseline and the best ranked of the others.
    """

    clips: tuple[dict[str, Any], ...]
    pair: tuple[str, str]
    kept: int
    total: int
    omitted: str


def gallery(comparison: Comparison, budget: int = BUDGET) -> Gallery:
    """Return the clips on which variants disagree most, as many as `budget` bytes hold."""
    have = {picture.variant for clip in comparison.gallery for picture in clip.pictures}
    shown = shown_variants(comparison, have, VARIANTS)
    names = (*shown.names, *(r.variant for r in comparison.references if r.variant in have))
    clips: list[dict[str, Any]] = []
    spent = 0
    for clip in comparison.gallery:
        entry = _entry(clip, names, comparison)
        if entry is None:
            continue
        spent += sum(len(item["src"]) for item in entry["pictures"])
        if spent > budget:
            break
        clips.append(entry)
    pair = _pair(comparison, names)
    return Gallery(tuple(clips), pair, len(clips), len(comparison.gallery), shown.omitted)


def _pair(comparison: Comparison, names: Sequence[str]) -> tuple[str, str]:
    """Return two names that differ: the baseline, then the best of the rest, else the target."""
    ranks = {row.variant: row.rank for row in comparison.rows}
    trained = [name for name in names if comparison.row(name).role != "reference"]
    first = comparison.baseline if comparison.baseline in names else None
    ordered = sorted(trained, key=lambda name: ranks[name] or math.inf)
    ordered += [name for name in names if name not in trained]
    first = first or next(iter(ordered), "target")
    second = next((name for name in ordered if name != first), "target")
    return visible(first), visible(second)


def _entry(
    clip: GalleryClip, names: tuple[str, ...], comparison: Comparison
) -> dict[str, Any] | None:
    """Return one clip for the viewer; None when there is nothing to compare."""
    shown = [_picture("target", clip.target, "")]
    of = {picture.variant: picture for picture in clip.pictures}
    shown += [_picture(n, of[n].path, _values(of[n], comparison)) for n in names if n in of]
    if clip.inputs:
        shown.append(_picture("first input", clip.inputs[0], ""))
        shown.append(_picture("last input", clip.inputs[-1], ""))
    pictures = [each for each in shown if each is not None]
    if shown[0] is None or len(pictures) < 2:
        return None
    width, height = _size(clip.target)
    return {
        "clip": visible(clip.clip),
        "source": visible(clip.source),
        "about": _about(clip, comparison),
        "width": width,
        "height": height,
        "pictures": pictures,
    }


def _picture(name: str, path: Path, values: str) -> dict[str, str] | None:
    if not path.is_file():
        return None
    return {"name": visible(name), "values": values, "src": data_uri(path)}


def _values(picture: Picture, comparison: Comparison) -> str:
    return ", ".join(
        f"{title(info)} {numbers.fixed(picture.values[info.name], info.digits)}"
        for info in comparison.metrics
        if info.name in picture.values
    )


def _about(clip: GalleryClip, comparison: Comparison) -> str:
    info = comparison.info(comparison.metric)
    parts = told_properties(clip)
    if clip.spread is not None:
        spread = numbers.fixed(clip.spread, info.digits)
        parts.append(f"variants differ by {spread} {info.unit}".strip())
    if clip.rank_overall is not None:
        parts.append(f"rank {clip.rank_overall} by that among all clips")
    return "; ".join(parts)


def _size(path: Path) -> tuple[int, int]:
    from PIL import Image

    with Image.open(path) as image:
        return image.size


def data_uri(path: Path) -> str:
    """Return the picture in `path` as a WebP data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(path) as image:
        options = {"lossless": True} if max(image.size) <= SMALL else {"quality": 88}
        image.convert("RGB").save(buffer, "WEBP", method=2, **options)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
