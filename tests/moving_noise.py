"""Draw pictures of noise that moves by two pixels a frame: clips without a download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

STEP = 2


def picture(number: int, size: tuple[int, int] = (64, 96), seed: int = 0) -> Image.Image:
    """Return frame `number`, of a (height, width)."""
    height, width = size
    noise = np.random.default_rng(seed).integers(0, 256, (height, width + 64, 3), dtype=np.uint8)
    return Image.fromarray(noise[:, STEP * number : STEP * number + width])


def sequence(folder: Path, frames: int, seed: int = 0) -> None:
    """Write a folder of numbered pictures."""
    folder.mkdir(parents=True)
    for number in range(frames):
        picture(number, seed=seed).save(folder / f"{number:03d}.png")
