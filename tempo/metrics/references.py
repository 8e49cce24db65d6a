"""Predict frames without weights: reference methods, called like a network.

Each takes `frames` float [B, N, 3, H, W] in [0, 1], `times` [B, N] ascending and `target_time` [B],
and returns [B, 3, H, W].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def average(frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
    """Return the blend of the two frames around the target time, weighted linearly in time.

    Outside the frames' times the nearest frame is repeated.
    """
    before, after, share = _around(frames, times, target_time)
    return torch.lerp(before, after, share.view(-1, 1, 1, 1))


def nearest(frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
    """Return the frame nearest in time; of two equally near, the earlier."""
    chosen = (times - target_time[:, None]).abs().argmin(dim=1)
    return frames[torch.arange(len(frames), device=frames.device), chosen]


def flow(frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
    """Return the two frames around the target time, warped by optical flow and blended.

    Computed on the CPU, with regard to occlusion (`tempo.metrics.flow_interpolation`).
    """
    from tempo.metrics.flow_interpolation import interpolate

    pairs = zip(*_around(frames, times, target_time), strict=True)
    return torch.stack([interpolate(one, other, share.item()) for one, other, share in pairs])


def _around(frames: Tensor, times: Tensor, target_time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the frames before and after the target time, [B, 3, H, W], and its share, 0 to 1."""
    after = (times < target_time[:, None]).sum(dim=1).clamp(1, times.shape[1] - 1)
    before = after - 1
    rows = torch.arange(len(frames), device=frames.device)
    start, end = times[rows, before], times[rows, after]
    share = ((target_time - start) / (end - start)).clamp(0, 1).to(frames.dtype)
    return frames[rows, before], frames[rows, after], share


REFERENCES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "average": average,
    "nearest": nearest,
    "flow": flow,
}
"""Name in a spec's `references` to method."""
