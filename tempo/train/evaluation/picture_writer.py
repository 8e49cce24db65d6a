"""Pictures that a run leaves behind, as PNG files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from tempo.data.clips import Clip
from tempo.records.files import write_atomic

Pixels = npt.NDArray[np.uint8]


def to_pixels(picture: Tensor) -> Pixels:
    """[3, H, W] floats, clamped to 0..1 and rounded -> [H, W, 3]."""
    scaled = picture.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8)
    return np.asarray(scaled.permute(1, 2, 0).cpu().numpy())


def save_png(path: Path, pixels: Pixels) -> None:
    """Write [H, W, 3] losslessly; fast rather than small."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))


def given(clip: Clip) -> dict[str, Pixels]:
    """What is known of a clip: input0, input1, ... in order of time, and the target."""
    order = np.argsort(clip.times, kind="stable")
    inputs = {f"input{n}": clip.frames[place] for n, place in enumerate(order)}
    return inputs | {"target": clip.target}
