"""Methods without weights that every table shows, called like a network.

Both take `frames` float [B, N, 3, H, W] in [0, 1], `times` [B, N] ascending and `target_time` [B],
and return [B, 3, H, W].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def average(frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
    """The blend of the two frames around the target time, weighted linearly in time.

    Outside the frames' times the nearest frame is repeated.
    """
    after = (times < target_time[:, None]).sum(dim=1).clamp(1, times.shape[1] - 1)
    before = after - 1
    rows = torch.arange(len(frames), device=frames.device)
    start, end = times[rows, before], times[rows, after]
    share = ((target_time - start) / (end - start)).clamp(0, 1).to(frames.dtype)
    return torch.lerp(frames[rows, before], frames[rows, after], share.view(-1, 1, 1, 1))


def nearest(frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
    """The frame nearest in time; of two equally near, the earlier."""
    chosen = (times - target_time[:, None]).abs().argmin(dim=1)
    return frames[torch.arange(len(frames), device=frames.device), chosen]


REFERENCES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "average": average,
    "nearest": nearest,
}
"""Name in a spec's `references` to method."""
