"""Gaussian window means of picture stacks, the inner part of SSIM."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
"""Side and standard deviation of SSIM's Gaussian window (Wang et al. 2004)."""

BLOCK = 32
"""Means that one matrix product computes along an axis: few enough that most of the matrix is the
window, enough that the product runs at full speed."""


def gaussian(like: Tensor) -> Tensor:
    """The window's weights [11], a sampled Gaussian that sums to 1, in `like`'s dtype."""
    at = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-0.5 * (at / SIGMA) ** 2)
    return (weights / weights.sum()).to(like)


def window_means(planes: Tensor) -> Tensor:
    """Gaussian means where the window fits: [P, H, W] contiguous to [P, H-10, W-10].

    On a CPU each axis is a product with a banded matrix, block by block. Elsewhere the means are
    shifted sums: on a GPU a product may round its input to TF32, which costs the fourth digit.
    """
    if planes.device.type != "cpu":
        return _shifted(_shifted(planes, -2), -1)
    return _across(_down(planes))


def _band(like: Tensor) -> Tensor:
    """The window on each of `BLOCK` neighbouring places, [BLOCK, BLOCK + 10]."""
    matrix = like.new_zeros(BLOCK, BLOCK + WINDOW - 1)
    for place, weight in enumerate(gaussian(like)):
        matrix.diagonal(place).fill_(weight)
    return matrix


def _down(planes: Tensor) -> Tensor:
    """Window means along the columns, [P, H, W] to [P, H-10, W]."""
    count, height, width = planes.shape
    means = planes.new_empty(count, height - WINDOW + 1, width)
    band = _band(planes)
    for top in range(0, means.shape[1], BLOCK):
        out = means[:, top : top + BLOCK]
        wide = out.shape[1] + WINDOW - 1
        torch.matmul(band[: out.shape[1], :wide], planes[:, top : top + wide], out=out)
    return means


def _across(planes: Tensor) -> Tensor:
    """Window means along the rows, [P, H, W] to [P, H, W-10]."""
    count, height, width = planes.shape
    rows = planes.view(-1, width)
    means = rows.new_empty(len(rows), width - WINDOW + 1)
    band = _band(planes).T.contiguous()
    for left in range(0, means.shape[1], BLOCK):
        out = means[:, left : left + BLOCK]
        wide = out.shape[1] + WINDOW - 1
        torch.mm(rows[:, left : left + wide], band[:wide, : out.shape[1]], out=out)
    return means.view(count, height, -1)


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
