"""Estimate optical flow on the CPU by OpenCV, warp by it, and measure motion and occlusion.

Flows are float32 [H, W, 2]: for each pixel (x, y) of the first picture, how far (dx, dy) its
surface is in the second. Grey pictures are uint8 [H, W].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Grey: TypeAlias = npt.NDArray[np.uint8]
Flow: TypeAlias = npt.NDArray[np.float32]
Mask: TypeAlias = npt.NDArray[np.bool_]

SMALLEST = 16
"""Pictures with a side below this many pixels get zero flow."""


@cache
def opencv() -> Any:
    """Import OpenCV on first use and hold it to one thread.

    Its inverse search works in as many stripes as it has threads, and the flow depends on them.
    """
    import cv2

    cv2.setNumThreads(1)
    return cv2


def grey(picture: Tensor) -> Grey:
    """Return the 8-bit luma of one picture [3, H, W] in [0, 1].

    It is rounded to 8 bits first: OpenCV's whole numbers are the same on every machine, and a flow
    moves with a single grey level.
    """
    levels = (picture.detach() * 255).round().clamp(0, 255).to(torch.uint8)
    rows = np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())
    luma: Grey = opencv().cvtColor(rows, opencv().COLOR_RGB2GRAY)
    return luma


def pixels(picture: Tensor) -> npt.NDArray[np.float32]:
    """Return a picture [3, H, W] in OpenCV's layout, float32 [H, W, 3]."""
    values: npt.NDArray[np.float32] = picture.detach().permute(1, 2, 0).float().cpu().numpy()
    return np.ascontiguousarray(values)


def search_flow(first: Grey, second: Grey) -> Flow:
    """Estimate flow by dense inverse search (Kroeger et al. 2016), OpenCV's medium preset."""
    if min(first.shape) < SMALLEST:
        return np.zeros((*first.shape, 2), np.float32)
    flow: Flow = _inverse_search().calc(first, second, None)
    return flow


@cache
def _inverse_search() -> Any:
    cv2 = opencv()
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def farneback_flow(first: Grey, second: Grey, *, gaussian: bool = False) -> Flow:
    """Estimate flow by polynomial expansion (Farneback 2003) with the settings of TecoGAN's tOF.

    `gaussian` averages over a Gaussian window instead of a square one, as PSNR_DIV does.
    """
    empty = np.zeros((*first.shape, 2), np.float32)
    window = opencv().OPTFLOW_FARNEBACK_GAUSSIAN if gaussian else 0
    flow: Flow = opencv().calcOpticalFlowFarneback(
        first, second, empty, 0.5, 3, 15, 3, 5, 1.2, window
    )
    return flow


def sample(
    values: npt.NDArray[np.float32], flow: Flow, *, cubic: bool = False
) -> npt.NDArray[np.float32]:
    """Warp `values` [H, W] or [H, W, C] of the second picture to the first.

    Bilinear, or bicubic, which blurs less and may overshoot. Places outside the picture take its
    nearest pixel.
    """
    cv2 = opencv()
    height, width = flow.shape[:2]
    across, down = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    seen: npt.NDArray[np.float32] = cv2.remap(
        values,
        across + flow[..., 0],
        down + flow[..., 1],
        cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return seen


def inside(flow: Flow) -> Mask:
    """Return the pixels whose flow ends inside the picture."""
    height, width = flow.shape[:2]
    across = np.arange(width, dtype=np.float32) + flow[..., 0]
    down = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    held = (across >= 0) & (across <= width - 1) & (down >= 0) & (down <= height - 1)
    return np.asarray(held)


def visible(forward: Flow, backward: Flow) -> Mask:
    """Return the pixels that both pictures show: the flow there and back agree.

    The forward-backward check of Sundaram et al. (2010); flows that leave the picture fail it.
    """
    back = sample(backward, forward)
    gap = np.square(forward + back).sum(axis=-1)
    length = np.square(forward).sum(axis=-1) + np.square(back).sum(axis=-1)
    return np.asarray((gap < 0.01 * length + 0.5) & inside(forward))


def smooth(flow: Flow) -> Mask:
    """Return the pixels away from motion boundaries (Sundaram et al. 2010)."""
    down, across = np.gradient(flow, axis=0), np.gradient(flow, axis=1)
    change = (np.square(down) + np.square(across)).sum(axis=-1)
    return np.asarray(change <= 0.01 * np.square(flow).sum(axis=-1) + 0.002)


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
    middle, ends = grey(target), [grey(each) for each in (before, after)]
    if min(middle.shape) < SMALLEST:
        return None
    there = [search_flow(middle, end) for end in ends]
    seen = [visible(out, search_flow(end, middle)) for out, end in zip(there, ends, strict=True)]
    path = there[1] - there[0]
    return Motion(
        motion=round(float(np.hypot(path[..., 0], path[..., 1]).mean(dtype=np.float64)), 4),
        occlusion=round(1 - float((seen[0] & seen[1]).mean()), 6),
    )
