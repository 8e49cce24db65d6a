"""Choose clips from a stream of frames, without scene cuts and without static frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tempo.data.clips import Pixels

UNEVEN = 0.05
"""How far a middle frame's time may be from 0.5 (of the anchors' distance). Timestamps in whole
milliseconds at 30 frames a second are off by up to 0.015; a frame left out moves it by 0.17."""


@dataclass(slots=True, kw_only=True)
class Frame:
    """Hold a decoded frame. `thumbnail` is its luma, float32 of size `THUMBNAIL`, 0 to 255.

    `time` is when it is shown, in any unit, or None where the source does not say. `pixels` is
    uint8 [H, W, 3], or None where no clip can need it; `place` is where a shard keeps it once it
    was written.
    """

    number: int
    thumbnail: npt.NDArray[np.float32]
    pixels: Pixels | None
    time: float | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundClip:
    """Hold a clip of a stream: anchors at times 0 and 1, and the frames between as targets."""

    first: Frame
    last: Frame
    targets: tuple[Frame, ...]
    target_times: tuple[float, ...]


class Thumbnailed(Protocol):
    """Any frame with a thumbnail."""

    @property
    def thumbnail(self) -> npt.NDArray[np.float32]: ...


def difference(one: Thumbnailed, other: Thumbnailed) -> float:
    """Return the mean absolute difference of two thumbnails, 0 to 255."""
    return float(np.abs(one.thumbnail - other.thumbnail).mean())


def needed(number: int, stride: int, every: int, *, any_time: bool = False) -> bool:
    """Return whether frame `number` belongs to any clip.

    A clip has the anchors k and k + 2 stride, k in steps of `every`, and its target half-way, or
    all frames between when `any_time`.
    """
    steps = range(2 * stride + 1) if any_time else range(0, 2 * stride + 1, stride)
    return any(number >= step and (number - step) % every == 0 for step in steps)


def find_clips(
    frames: Iterable[Frame],
    *,
    stride: int,
    every: int,
    static: float,
    cut: float,
    count: Callable[[str], None],
    any_time: bool = False,
) -> Iterator[FoundClip]:
    """Yield the clips that have motion and no cut, and count the skipped ones by `count`.

    A clip is skipped as a cut when two neighbouring frames anywhere between its anchors differ by
    more than `cut`, as static when a target differs by less than `static` from either anchor,
    and as uneven in time when its only target is not half-way or time does not rise. Only
    2 * stride + 1 frames are kept at a time.
    """
    window: deque[Frame] = deque(maxlen=2 * stride + 1)
    jumps: deque[float] = deque(maxlen=2 * stride)
    inside = range(1, 2 * stride) if any_time else range(stride, stride + 1)
    for frame in frames:
        if window:
            jumps.append(difference(window[-1], frame))
        window.append(frame)
        if len(window) < 2 * stride + 1 or window[0].number % every:
            continue
        targets = tuple(window[place] for place in inside)
        times = _times(window, inside)
        if max(jumps) > cut:
            count("with a cut")
        elif times is None or (not any_time and abs(times[0] - 0.5) > UNEVEN):
            count("uneven in time")
        elif _still(window[0], targets, window[-1]) < static:
            count("static")
        else:
            count("kept")
            yield FoundClip(
                first=window[0],
                last=window[-1],
                targets=targets,
                target_times=times if any_time else (0.5,),
            )


def _still(first: Frame, targets: Sequence[Frame], last: Frame) -> float:
    """Return the smallest difference of a target from an anchor."""
    return min(min(difference(first, each), difference(each, last)) for each in targets)


def _times(window: Sequence[Frame], inside: range) -> tuple[float, ...] | None:
    """Return the targets' times between the anchors, or None where the frames' times do not rise.

    Frames without times count as evenly spaced.
    """
    known = [frame.time for frame in window if frame.time is not None]
    if len(known) < len(window):
        known = [float(place) for place in range(len(window))]
    if any(later <= sooner for sooner, later in pairwise(known)):
        return None
    span = known[-1] - known[0]
    return tuple(round((known[place] - known[0]) / span, 4) for place in inside)
