"""Compute Gaussian window means of picture stacks for SSIM."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
"""Side and standard deviation of SSIM's Gaussian window (Wang et al. 2004)."""

BLOCK = 32
"""Means that one matrix product computes along an axis: few enough that most of the matrix is the
window, enough that the product runs at full speed."""


def gaussian(like: Tensor) -> Tensor:
    """Return the window's weights [11], a sampled Gaussian that sums to 1, in `like`'s dtype."""
    at = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-0.5 * (at / SIGMA) ** 2)
    return (weights / weights.sum()).to(like)


def shifted_means(planes: Tensor) -> Tensor:
    """Return Gaussian means as shifted sums, [..., H, W] -> [..., H-10, W-10].

    For a GPU, where a product or a convolution may round its input to TF32, which costs the
    fourth digit.
    """
    return _shifted(_shifted(planes, -2), -1)


def _shifted(planes: Tensor, axis: int) -> Tensor:
    weights = gaussian(planes).tolist()
    length = planes.shape[axis] - WINDOW + 1
    out: Tensor = planes.narrow(axis, 0, length) * weights[0]
    for offset in range(1, WINDOW):
        out.add_(planes.narrow(axis, offset, length), alpha=weights[offset])
    return out


class Workspace:
    """Compute Gaussian means on a CPU, strip by strip in the same memory.

    Fresh memory of this size costs more than the arithmetic: the system hands it out page by page.
    Each axis is a product with a banded matrix, block by block.

    Args:
        planes: how many planes a strip has.
        height: the most rows of means in a strip.
        width: of a plane.
        like: gives the dtype.
    """

    def __init__(self, planes: int, height: int, width: int, like: Tensor) -> None:
        self._strip = like.new_empty(planes, height + WINDOW - 1, width)
        self._down = like.new_empty(planes * height * width)
        self._means = like.new_empty(planes * height * (width - WINDOW + 1))
        self._band = _band(like)
        self._turned = self._band.T.contiguous()

    def strip(self, height: int) -> Tensor:
        """Return the planes to fill for `height` rows of means: [P, height + 10, W]."""
        return self._strip[:, : height + WINDOW - 1]

    def means(self, height: int) -> Tensor:
        """Return the means of the planes, [P, height, W-10]; the next call overwrites them."""
        strip = self.strip(height)
        count, _, width = strip.shape
        down = self._down[: count * height * width].view(count, height, width)
        for top in range(0, height, BLOCK):
            out = down[:, top : top + BLOCK]
            used = out.shape[1] + WINDOW - 1
            band = self._band[: out.shape[1], :used]
            torch.matmul(band, strip[:, top : top + used], out=out)
        rows, kept = down.view(-1, width), width - WINDOW + 1
        means = self._means[: len(rows) * kept].view(-1, kept)
        for left in range(0, kept, BLOCK):
            out = means[:, left : left + BLOCK]
            used = out.shape[1] + WINDOW - 1
            torch.mm(rows[:, left : left + used], self._turned[:used, : out.shape[1]], out=out)
        return means.view(count, height, kept)


def _band(like: Tensor) -> Tensor:
    """Return the window on each of `BLOCK` neighbouring places, [BLOCK, BLOCK + 10]."""
    matrix = like.new_zeros(BLOCK, BLOCK + WINDOW - 1)
    for place, weight in enumerate(gaussian(like)):
        matrix.diagonal(place).fill_(weight)
    return matrix


def replicated_channel_means(channels: int, like: Tensor) -> Tensor:
    """Return the window along a short channel axis with replicate padding, as a matrix [C, C].

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
