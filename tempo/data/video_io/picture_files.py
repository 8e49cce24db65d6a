"""Read, sort and scale picture files; errors name the file and its fault."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from tempo.core.errors import MissingError
from tempo.data.clips import Pixels

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

THUMBNAIL = (64, 112)
"""(height, width) of the luma pictures that frames are compared by, whatever their size."""

_DIGITS = re.compile(r"(\d+)")


def read_picture(path: Path, what: str, size: tuple[int, int] | None = None) -> Pixels:
    """Read a picture as uint8 RGB [H, W, 3]; grey ones get three equal channels.

    Its data set (`what`) is for the message; `size` is the (height, width) that it must have.

    Raises:
        MissingError: naming the file, when it is absent, may not be read, is no picture, is
            truncated, holds more than 8 bits of grey, or has another size.
    """
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise MissingError(f"{what}: {path} has more than 8 bits a pixel ({image.mode})")
            pixels = np.asarray(image.convert("RGB"))
    except UnidentifiedImageError:
        raise MissingError(f"{what}: {path} is not an image; extract it again") from None
    except (OSError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MissingError(f"{what}: cannot read {path} ({reason}); extract it again") from None
    if size is not None and pixels.shape[:2] != size:
        raise MissingError(
            f"{what}: {path} is {pixels.shape[1]}x{pixels.shape[0]}, "
            f"not {size[1]}x{size[0]} as published"
        )
    return pixels


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a sorting key under which 2 comes before 10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name))


def numbered(folder: Path, suffixes: Iterable[str] = SUFFIXES) -> list[Path]:
    """Return the pictures of a folder in the order of their numbers, without hidden files."""
    kinds = frozenset(suffixes)
    found = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in kinds and not file.name.startswith(".")
    ]
    return sorted(found, key=lambda file: natural(file.name))


def cover(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the picture scaled (bicubic) to cover `size`, then cut centrally: uint8 [H, W, 3]."""
    height, width = size
    rows, columns = pixels.shape[:2]
    scale = max(height / rows, width / columns)
    tall, wide = max(height, round(rows * scale)), max(width, round(columns * scale))
    if (tall, wide) != (rows, columns):
        image = Image.fromarray(pixels).resize((wide, tall), Image.Resampling.BICUBIC)
        pixels = np.asarray(image)
    top, left = (tall - height) // 2, (wide - width) // 2
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def thumbnail(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return the luma of a picture at the size `THUMBNAIL`, float32, 0 to 255."""
    height, width = THUMBNAIL
    luma = Image.fromarray(pixels).convert("L").resize((width, height), Image.Resampling.BOX)
    return np.asarray(luma, dtype=np.float32)
