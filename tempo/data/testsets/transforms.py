"""Change the pictures of a test set as its protocol asks: halve them, or cut out their middle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from tempo.data.clips import Pixels

TransformName = Literal["none", "half", "centre", "crop_224", "crop_512", "crop_480x840"]


@dataclass(frozen=True, slots=True)
class Transform:
    """Pair a function of uint8 [H, W, 3] with its description in a protocol."""

    meaning: str
    apply: Callable[[Pixels], Pixels]


def half_by_area(pixels: Pixels) -> Pixels:
    """Return the picture at half size, each pixel the rounded mean of four; H and W are even.

    This is what OpenCV's INTER_AREA gives for a factor of exactly two, to the last bit.
    """
    height, width, channels = pixels.shape
    boxes = pixels.reshape(height // 2, 2, width // 2, 2, channels)
    total = boxes[:, 0, :, 0].astype(np.uint16)
    for row, column in ((0, 1), (1, 0), (1, 1)):
        total += boxes[:, row, :, column]
    return ((total + 2) >> 2).astype(np.uint8)


def central_half(pixels: Pixels) -> Pixels:
    """Return the middle half of rows and columns; H and W are multiples of 4."""
    height, width = pixels.shape[:2]
    middle = pixels[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return np.ascontiguousarray(middle)


def central_crop(height: int, width: int, pixels: Pixels) -> Pixels:
    """Return the middle of a picture, cut where torchvision's CenterCrop cuts."""
    top = max(0, round((pixels.shape[0] - height) / 2))
    left = max(0, round((pixels.shape[1] - width) / 2))
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def _cropped(height: int, width: int) -> Transform:
    return Transform(f"central {width}x{height}", partial(central_crop, height, width))


TRANSFORMS: Mapping[TransformName, Transform] = {
    "none": Transform("none", lambda pixels: pixels),
    "half": Transform("resized to half by area", half_by_area),
    "centre": Transform("central half of rows and columns", central_half),
    "crop_224": _cropped(224, 224),
    "crop_512": _cropped(512, 512),
    "crop_480x840": _cropped(480, 840),
}
