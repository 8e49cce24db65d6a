"""Define the clip that every data set yields: input frames with times, and a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """Hold N input frames with their times, plus a target and its time.

    `frames` is uint8 [N, H, W, 3] in RGB, `times` the frames' times scaled so that the outermost
    are 0 and 1, `target` uint8 [H, W, 3] and `target_time` its time on the same scale. `source` is
    the photograph, file or sequence the clip was taken from: clips of one source are not
    independent. `motion` is the mean magnitude, in pixels, of the target's motion between the
    outer frames; `occlusion` the fraction of the target's pixels that one of the outer frames does
    not show. Both are None where the data set does not know them.
    """

    id: str
    source: str
    frames: Pixels
    times: tuple[float, ...]
    target: Pixels
    target_time: float
    motion: float | None
    occlusion: float | None
