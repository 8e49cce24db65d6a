"""Measure how far one linear filter, the same for all clips, improves on frame averaging.

A network that starts at averaging learns such a filter first, before it can move anything. Where
clips ask for different filters, that step leads nowhere, and small networks stay at averaging:
measured in docs/data.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tempo.core.seeding import stream
from tempo.data.clips import Clip

Values: TypeAlias = npt.NDArray[np.float64]

SIDE = 5
"""Of the filter, in pixels."""
PIXELS = 400
"""Taken of each clip, at random places and channels."""
EPS = 1e-3
"""Of the Charbonnier loss that the filter minimises, as in training; intensities from 0 to 1."""
ROUNDS = 30
"""Of reweighted least squares; the loss no longer changes by then."""


def shared_correction(clips: Iterable[Clip]) -> dict[str, Any]:
    """Return the share of averaging's training loss that one filter saves, over all and by source.

    The filter of 5 x 5 weights corrects the average of the two frames around the target.
    """
    seen: dict[str, list[tuple[Values, Values]]] = defaultdict(list)
    for clip in clips:
        seen[clip.source].append(_samples(clip))
    every = [each for samples in seen.values() for each in samples]
    sources = {name: _saved(samples) for name, samples in sorted(seen.items())}
    return {"share": _saved(every) if every else None, "sources": sources}


def _samples(clip: Clip) -> tuple[Values, Values]:
    """Return neighbours of pixels in the average, less the pixel, and what the target differs."""
    average = _average(clip)
    height, width, _ = average.shape
    half = SIDE // 2
    random = np.random.default_rng(stream(0, "shared correction", clip.id))
    rows = random.integers(half, height - half, PIXELS)
    columns = random.integers(half, width - half, PIXELS)
    channels = random.integers(0, 3, PIXELS)
    middle = average[rows, columns, channels]
    steps = [(down, right) for down in range(-half, half + 1) for right in range(-half, half + 1)]
    around = [average[rows + down, columns + right, channels] - middle
              for down, right in steps if (down, right) != (0, 0)]  # fmt: skip
    wanted = clip.target[rows, columns, channels] / 255.0 - middle
    return np.stack(around, axis=1), wanted


def _average(clip: Clip) -> Values:
    """Return the blend of the two frames around the target, weighted linearly in time, in 0..1."""
    after = int(np.clip(np.searchsorted(clip.times, clip.target_time), 1, len(clip.times) - 1))
    start, end = clip.times[after - 1], clip.times[after]
    share = min(max((clip.target_time - start) / (end - start), 0.0), 1.0)
    before, behind = (clip.frames[place].astype(np.float64) for place in (after - 1, after))
    return np.asarray(((1 - share) * before + share * behind) / 255.0)


def _saved(samples: Sequence[tuple[Values, Values]]) -> float:
    """Return 1 - loss with the best filter / loss of the average alone, at least 0."""
    around = np.concatenate([each for each, _ in samples])
    wanted = np.concatenate([each for _, each in samples])
    weights = np.zeros(around.shape[1])
    ridge = 1e-9 * np.eye(len(weights))
    for _ in range(ROUNDS):
        scaled = around / _distance(wanted - around @ weights)[:, None]
        weights = np.linalg.solve(scaled.T @ around + ridge, scaled.T @ wanted)
    left = _distance(wanted - around @ weights).mean()
    return float(max(0.0, 1 - left / _distance(wanted).mean()))


def _distance(error: Values) -> Values:
    return np.asarray(np.sqrt(error**2 + EPS**2))
