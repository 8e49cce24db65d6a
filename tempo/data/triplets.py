"""Choosing triplets from a stream of frames: by distance, without cuts and without standstill."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tempo.data.clips import Pixels

THUMBNAIL = (64, 112)
"""(height, width) of the luma pictures that frames are compared by, whatever their size."""


@dataclass(slots=True, kw_only=True)
class Frame:
    """A decoded frame. `thumbnail` is its luma, float32 of size `THUMBNAIL`, 0 to 255.

    `pixels` is uint8 [H, W, 3], or None where no triplet can need it; `place` is where a shard
    keeps it once it was written.
    """

    number: int
    thumbnail: npt.NDArray[np.float32]
    pixels: Pixels | None
    place: int | None = None


def difference(one: Frame, other: Frame) -> float:
    """Mean absolute difference of two thumbnails, 0 to 255."""
    return float(np.abs(one.thumbnail - other.thumbnail).mean())


def needed(number: int, stride: int, every: int) -> bool:
    """Whether frame `number` belongs to any triplet (k, k + stride, k + 2 stride), k in steps of
    `every`."""
    return any(
        number >= step * stride and (number - step * stride) % every == 0 for step in range(3)
    )


def triplets(
    frames: Iterable[Frame],
    *,
    stride: int,
    every: int,
    static: float,
    cut: float,
    count: Callable[[str], None],
) -> Iterator[tuple[Frame, Frame, Frame]]:
    """Triplets whose frames belong together and move. The skipped are told to `count`.

    A triplet is skipped as a cut when two neighbouring frames anywhere between its outer frames
    differ by more than `cut`, and as static when its middle frame differs by less than `static`
    from either outer frame. Only 2 * stride + 1 frames are kept at a time.
    """
    window: deque[Frame] = deque(maxlen=2 * stride + 1)
    jumps: deque[float] = deque(maxlen=2 * stride)
    for frame in frames:
        if window:
            jumps.append(difference(window[-1], frame))
        window.append(frame)
        if len(window) < 2 * stride + 1 or window[0].number % every:
            continue
        first, middle, last = window[0], window[stride], window[-1]
        if max(jumps) > cut:
            count("with a cut")
        elif min(difference(first, middle), difference(middle, last)) < static:
            count("static")
        else:
            count("kept")
            yield first, middle, last
