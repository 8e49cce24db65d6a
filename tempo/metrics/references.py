"""Predict frames without weights: reference methods, called like a network.

Each takes `frames` float [B, N, 3, H, W] in [0, 1], `times` [B, N] ascending and `target_time` [B],
and returns [B, 3, H, W].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tempo.core.plugins.parts import OpenTable
from tempo.metrics.flow import Flow, grey, inside, opencv, pixels, sample, search_flow, visible

Array: TypeAlias = npt.NDArray[np.float32]

SHARPNESS = 20.0
"""Of splatting: a colour difference of 5 % of the range costs a factor of e."""
ENOUGH = 1e-2
"""Splatted weight at which a pixel's own flow counts as much as that around it."""
FLOOR = 1e-3
"""Share of a frame that does not show a pixel, so that there is a picture where neither does."""


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

    Computed on the CPU, with regard to occlusion: the classical baseline for networks.
    """
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


@dataclass(frozen=True, slots=True)
class _Side:
    """Hold a frame [H, W, 3], the flow from it to the other frame, and where the other shows it."""

    picture: Array
    flow: Flow
    seen: Array


def interpolate(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Return the frame at `share` (0 to 1) of the way from `first` to `second`, all [3, H, W].

    Rendered as in the Middlebury benchmark's baseline (Baker et al. 2011, "A Database and
    Evaluation Methodology for Optical Flow", section 3.3.2): flow is carried to the wanted time,
    holes are filled, and each pixel is fetched from both frames, or only from the one that shows
    it. Flows are carried from both sides and weighted by how well colours agree (softmax
    splatting, Niklaus and Liu 2020).
    """
    one, other = _sides(first, second)
    motion = _motion_at(one, other, share)
    place = np.float32(share)
    back, ahead = -place * motion, (1 - place) * motion
    # A frame counts where it shows the surface: where the other side's point is seen from it.
    left = (1 - share) * _shown(other.seen, ahead, back)
    right = share * _shown(one.seen, back, ahead)
    total = left + right
    picture = sample(one.picture, back, cubic=True) * (left / total)[..., None]
    picture += sample(other.picture, ahead, cubic=True) * (right / total)[..., None]
    return torch.from_numpy(picture).permute(2, 0, 1).clamp(0, 1).to(first)


def _sides(first: Tensor, second: Tensor) -> tuple[_Side, _Side]:
    lumas = grey(first), grey(second)
    there, back = search_flow(*lumas), search_flow(*reversed(lumas))
    seen = visible(there, back), visible(back, there)
    return (
        _Side(pixels(first), there, seen[0].astype(np.float32)),
        _Side(pixels(second), back, seen[1].astype(np.float32)),
    )


def _shown(seen: Array, there: Flow, here: Flow) -> Array:
    """Return how much a frame shows of each pixel; `here` leads into it, `there` into the other."""
    shown = sample(seen, there) * inside(there) * inside(here)
    # Where the other frame does not have the point at all, this one is all there is.
    alone = inside(here) & ~inside(there)
    return np.asarray(np.maximum(np.where(alone, 1, shown), FLOOR), np.float32)


def _motion_at(one: _Side, other: _Side, share: float) -> Flow:
    """Return the motion from first to second frame of the surface at each pixel at `share`."""
    sums = np.zeros((3, *one.flow.shape[:2]))
    _splat(sums, one.flow * np.float32(share), one.flow, _trust(one, other))
    _splat(sums, other.flow * np.float32(1 - share), -other.flow, _trust(other, one))
    return _filled(sums)


def _trust(one: _Side, other: _Side) -> npt.NDArray[np.float64]:
    """Return weights [H, W] of a side's flows: high where both ends have one colour."""
    gap = np.abs(one.picture - sample(other.picture, one.flow)).mean(axis=-1)
    # What the other frame hides has no counterpart to compare with.
    return np.asarray(np.exp(-SHARPNESS * gap) * np.where(one.seen > 0, 1, 0.1), np.float64)


def _splat(
    sums: npt.NDArray[np.float64], shift: Flow, motion: Flow, weight: npt.NDArray[np.float64]
) -> None:
    """Add `weight` and `weight` times `motion` where `shift` carries each pixel, bilinearly."""
    height, width = weight.shape
    across, down = np.arange(width) + shift[..., 0], np.arange(height)[:, None] + shift[..., 1]
    left, top = np.floor(across), np.floor(down)
    for right in (0, 1):
        for low in (0, 1):
            x, y = (left + right).astype(np.int64), (top + low).astype(np.int64)
            corner = (1 - np.abs(across - x)) * (1 - np.abs(down - y)) * weight
            held = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            places, corner = (y * width + x)[held], corner[held]
            values = (corner, corner * motion[..., 0][held], corner * motion[..., 1][held])
            sums += np.stack([
                np.bincount(places, value, height * width).reshape(height, width)
                for value in values
            ])  # fmt: skip


def _filled(sums: npt.NDArray[np.float64]) -> Flow:
    """Return weighted means; pixels without weight take those of coarser and coarser rasters."""
    height, width = sums.shape[1:]
    means = sums[1:] / np.maximum(sums[0], 1e-12)
    if min(height, width) > 1:
        coarse = _filled(_resized(sums, (-(-height // 2), -(-width // 2))))
        wide = _resized(np.moveaxis(coarse, -1, 0), (height, width))
        sure = sums[0] / (sums[0] + ENOUGH)
        means = sure * means + (1 - sure) * wide
    return np.ascontiguousarray(np.moveaxis(means, 0, -1), dtype=np.float32)


def _resized(planes: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    """Resize [P, H, W]: means on the way down, linear on the way up."""
    cv2 = opencv()
    way = cv2.INTER_AREA if size < planes.shape[1:] else cv2.INTER_LINEAR
    return np.stack([cv2.resize(each, size[::-1], interpolation=way) for each in planes])


REFERENCES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = OpenTable(
    "method", {"average": average, "nearest": nearest, "flow": flow}
)
"""Name in a spec's `references` to method; plug-ins add more."""
