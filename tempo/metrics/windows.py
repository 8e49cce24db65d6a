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
    """Gaussian means where the window fits, turned: [B, P, H, W] to [B, P, W-10, H-10].

    SSIM averages over the picture, so it does not mind, and turning back would cost as much as
    the window itself. On a CPU each axis is a depthwise convolution over channels-last rows.
    Elsewhere the means are shifted sums: on a GPU a convolution may round its input to TF32,
    which costs the fourth digit.
    """
    if planes.device.type != "cpu":
        return _shifted(_shifted(planes, -2), -1).transpose(-2, -1)
    return _down(_down(planes).transpose(-2, -1).contiguous())


def _down(planes: Tensor) -> Tensor:
    """Window means along the rows, [B, P, H, W] contiguous to [B, P, H-10, W].

    A plane whose columns are taken for channels is channels-last already: nothing is moved.
    """
    batch, count, height, width = planes.shape
    weights = gaussian(planes).view(1, 1, -1, 1).expand(width, 1, -1, 1)
    columns = planes.reshape(batch * count, height, 1, width).permute(0, 3, 1, 2)
    means: Tensor = conv2d(columns, weights, groups=width)
    return means.permute(0, 2, 3, 1).reshape(batch, count, height - WINDOW + 1, width)


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
