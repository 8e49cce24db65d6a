"""Gaussian window means of picture stacks, the inner part of SSIM."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

WINDOW, SIGMA = 11, 1.5
"""Side and standard deviation of SSIM's Gaussian window (Wang et al. 2004)."""


def gaussian(like: Tensor) -> Tensor:
    """The window's weights [11], a sampled Gaussian that sums to 1, in `like`'s dtype."""
    at = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-0.5 * (at / SIGMA) ** 2)
    return (weights / weights.sum()).to(like)


def window_means(planes: Tensor) -> Tensor:
    """Gaussian means at every place where the window fits: [B, P, H, W] to [B, P, H-10, W-10].

    On a CPU a depthwise convolution is fastest, and several times so on channels-last planes,
    even with the way there and back. Elsewhere the means are shifted sums: on a GPU a convolution
    may round its input to TF32, which costs the fourth digit.
    """
    if planes.device.type != "cpu":
        return _shifted(_shifted(planes, -2), -1)
    count = planes.shape[1]
    weights = gaussian(planes)
    down = weights.view(1, 1, -1, 1).expand(count, 1, -1, 1)
    across = weights.view(1, 1, 1, -1).expand(count, 1, 1, -1)
    rows: Tensor = conv2d(planes.contiguous(memory_format=torch.channels_last), down, groups=count)
    means: Tensor = conv2d(rows, across, groups=count).contiguous()
    return means


def _shifted(planes: Tensor, axis: int) -> Tensor:
    """Window means along one axis."""
    weights = gaussian(planes).tolist()
    length = planes.shape[axis] - WINDOW + 1
    out: Tensor = planes.narrow(axis, 0, length) * weights[0]
    for offset in range(1, WINDOW):
        out.add_(planes.narrow(axis, offset, length), alpha=weights[offset])
    return out


def replicated_channel_means(channels: int, like: Tensor) -> Tensor:
    """The window along a short channel axis with replicate padding, as a matrix [C, C].

    With three channels and a window of 11 every output mixes all channels, so the third axis of
    the 3-D SSIM is one small matrix product.
    """
    weights = gaussian(like).tolist()
    mix = torch.zeros(channels, channels, dtype=like.dtype)
    for row in range(channels):
        for offset, weight in enumerate(weights):
            column = min(max(row + offset - WINDOW // 2, 0), channels - 1)
            mix[row, column] += weight
    return mix.to(like.device)
