"""Estimate a clip's motion and occlusion by optical flow, where the data set does not know them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tempo.metrics import flow

ESTIMATE = "dis1"
"""Names this way of estimating; another name when it changes."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Hold a clip's estimated motion and occlusion.

    `motion` is the mean magnitude of the target's motion between the two inputs, in pixels;
    `occlusion` the share of the target's pixels that one of the inputs does not show.
    """

    motion: float
    occlusion: float


def estimate_motion(before: Tensor, target: Tensor, after: Tensor) -> Motion | None:
    """Estimate motion and occlusion by flow from the target to both inputs, [3, H, W] in [0, 1].

    A pixel counts as hidden where the flow there and back disagrees or leaves the picture
    (Sundaram et al. 2010). None for pictures too small for a flow.
    """
    middle, ends = flow.grey(target), [flow.grey(each) for each in (before, after)]
    if min(middle.shape) < flow.SMALLEST:
        return None
    there = [flow.search_flow(middle, end) for end in ends]
    seen = [
        flow.visible(out, flow.search_flow(end, middle))
        for out, end in zip(there, ends, strict=True)
    ]
    path = there[1] - there[0]
    return Motion(
        motion=round(float(np.hypot(path[..., 0], path[..., 1]).mean(dtype=np.float64)), 4),
        occlusion=round(1 - float((seen[0] & seen[1]).mean()), 6),
    )
