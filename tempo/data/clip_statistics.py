"""Measure the motion and occlusion of a set's clips, and count clips per source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tempo.data.clips import Clip

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


class Clips(Protocol):
    """Any sequence of clips: a split or a test set."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Clip: ...


Measure = Callable[[Clip], tuple[float, float]]
"""Motion in pixels between the outer frames, and the share of pixels that one of them hides."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold one clip's motion and occlusion; `estimated` where the data set does not know them."""

    index: int
    id: str
    motion: float
    occlusion: float
    estimated: bool


def spread(length: int, count: int) -> list[int]:
    """Return at most `count` positions, evenly spread over `length`."""
    count = min(count, length)
    return [int((place + 0.5) * length / count) for place in range(count)]


def measure_clips(clips: Clips, indices: Iterable[int], measure: Measure) -> Iterable[Measured]:
    """Yield motion and occlusion of some clips, estimated where the data set does not know them."""
    for index in indices:
        clip = clips[index]
        if clip.motion is not None and clip.occlusion is not None:
            yield Measured(index, clip.id, clip.motion, clip.occlusion, False)
        else:
            yield Measured(index, clip.id, *measure(clip), True)


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Return minimum, quantiles and maximum by percentage, or an empty dict for no values."""
    if not values:
        return {}
    found = np.quantile(np.asarray(values), QUANTILES)
    return {f"{share:.0%}": round(float(value), 4)
            for share, value in zip(QUANTILES, found, strict=True)}  # fmt: skip


def per_source(sources: Iterable[str]) -> Mapping[str, float]:
    """Return the number of sources, and the least, median and most clips of one source."""
    counts = sorted(Counter(sources).values())
    return {
        "sources": len(counts),
        "least": counts[0],
        "median": float(np.median(counts)),
        "most": counts[-1],
    }
