"""Write pictures as PNG files, and choose the test clips whose pictures an evaluation keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tempo.data.cache.splits import Split
from tempo.data.clips import Clip, Pixels
from tempo.metrics.fidelity import grey_levels
from tempo.records.files import of_attempt, sha256_of, write_atomic


def to_pixels(picture: Tensor) -> Pixels:
    """Convert floats [3, H, W] to uint8 [H, W, 3], clamped to 0..1 and rounded as metrics do."""
    scaled = grey_levels(picture.detach().float().clamp(0, 1)).to(torch.uint8)
    return np.asarray(scaled.permute(1, 2, 0).cpu().numpy())


def save_png(path: Path, pixels: Pixels) -> None:
    """Write uint8 [H, W, 3] as a PNG file, with little compression because that is fast."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))


def inputs_and_target(clip: Clip) -> dict[str, Pixels]:
    """Return the pictures of a clip: input0, input1, ... in order of time, and target."""
    order = np.argsort(clip.times, kind="stable")
    inputs = {f"input{n}": clip.frames[place] for n, place in enumerate(order)}
    return inputs | {"target": clip.target}


def choose_gallery(split: Split, count: int) -> tuple[int, ...]:
    """Choose `count` clips spread evenly over the split's motion, slowest first; return indices.

    Clips without a known motion are spread over the order of the split. The choice depends on the
    split alone, so that every run of a study keeps the same clips.
    """

    def key(index: int) -> tuple[float, int]:
        motion = split.locate(index)[1].motion
        return (-math.inf if motion is None else motion, index)

    return evenly_spaced(sorted(range(len(split)), key=key), count)


def evenly_spaced(order: Sequence[int], count: int) -> tuple[int, ...]:
    """Return `count` evenly spaced elements of `order`, or all of them when there are fewer."""
    count = min(count, len(order))
    return tuple(order[int((place + 0.5) * len(order) / count)] for place in range(count))


def save_gallery(
    folder: Path, index: int, clip: str, pictures: Mapping[str, Pixels], attempt: int | None = None
) -> Mapping[str, str]:
    """Write the pictures of the clip at `index` under `folder`/gallery, with `attempt` in names.

    Returns the clip's id, the path of each picture below `folder`, and the SHA-256 of the file that
    holds the prediction.
    """
    entry = {"clip": clip}
    for part, pixels in pictures.items():
        path = Path("gallery") / f"{index:05d}-{part}.png"
        path = path if attempt is None else of_attempt(path, attempt)
        save_png(folder / path, pixels)
        entry[part] = str(path)
    return entry | {"prediction_sha256": sha256_of(folder / entry["prediction"])}
