"""Read, sort and scale picture files; errors name the file and its fault."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from tempo.core.errors import MissingError
from tempo.data.clips import Pixels
from tempo.data.video_io.media_files import media_files

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

THUMBNAIL = (64, 112)
"""(height, width) of the luma pictures that frames are compared by, whatever their size."""

MOST_PIXELS = 8192 * 8192
"""Pixels of a picture that is read: twice those of a frame of 8K video."""

LONGEST = 50
"""How many times as long as its shorter side a picture may be: a strip cannot cover a frame."""

_DIGITS = re.compile(r"(\d+)")


def read_picture(path: Path, what: str, size: tuple[int, int] | None = None) -> Pixels:
    """Read a picture as uint8 RGB [H, W, 3], upright by its EXIF; grey gets three equal channels.

    Its data set (`what`) is for the message; `size` is the (height, width) that it must have.

    Raises:
        MissingError: naming the file, when it is absent, may not be read, is no picture, is
            truncated, holds more than 8 bits a channel, is too large or a strip, or has another
            size.
    """
    try:
        with Image.open(path) as image:
            if problem := _problem(image):
                raise MissingError(f"{what}: {path} {problem}")
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except UnidentifiedImageError:
        raise MissingError(f"{what}: {path} is not an image; extract it again") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise MissingError(f"{what}: {path} has more than {MOST_PIXELS:,} pixels") from None
    except MissingError:
        raise
    except Exception as error:  # Decoders of damaged files raise whatever they run into.
        reason = getattr(error, "strerror", None) or error
        raise MissingError(f"{what}: cannot read {path} ({reason}); extract it again") from None
    if size is not None and pixels.shape[:2] != size:
        raise MissingError(
            f"{what}: {path} is {pixels.shape[1]}x{pixels.shape[0]}, "
            f"not {size[1]}x{size[0]} as published"
        )
    return pixels


def _problem(image: Image.Image) -> str | None:
    """Return what keeps a picture from being used, by its header; None where nothing does."""
    deep = any(";16" in str(tile) for tile in getattr(image, "tile", ()))
    if deep or image.mode.startswith(("I", "F")):
        return f"has more than 8 bits a channel ({image.mode}); bring it to 8 bits first"
    return shape_problem(image.width, image.height)


def shape_problem(width: int, height: int) -> str | None:
    """Return what keeps pictures of a size from being used; None where nothing does."""
    if min(width, height) < 1 or width * height > MOST_PIXELS:
        return f"has {width} x {height} pixels, and at most {MOST_PIXELS:,} are read"
    if max(width, height) > LONGEST * min(width, height):
        return (
            f"is a strip of {width} x {height} pixels: one side is more than {LONGEST} times the "
            "other"
        )
    return None


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a sorting key under which 2 comes before 10."""
    return tuple(
        (int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(name)
    )


def numbered(folder: Path, suffixes: Iterable[str] = SUFFIXES) -> list[Path]:
    """Return the pictures of a folder in the order of their numbers, without hidden files."""
    found = [
        file
        for file in media_files(folder, suffixes, below=False).files
        if not file.name.startswith(".")
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
