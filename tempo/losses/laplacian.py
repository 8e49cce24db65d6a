"""Compute L1 between Laplacian pyramids (Burt and Adelson 1983), as in Niklaus and Liu 2018."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.spec import losses as options

SMALLEST = 4
"""Pixels of the shorter side below which no further level is made."""


class Laplacian(nn.Module):
    """sum over levels k of 2^k mean |difference of level k|.

    The coarsest level is the low-pass picture that remains, so that every difference counts.
    """

    taps: Tensor

    def __init__(self, options: options.Laplacian) -> None:
        super().__init__()
        self.levels = options.levels
        taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=torch.float64) / 16
        self.register_buffer("taps", torch.outer(taps, taps), persistent=False)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] twice -> [B]."""
        # The pyramid is linear, so the pyramid of the difference is the difference of pyramids.
        rest = prediction - target
        total: Tensor = rest.new_zeros(len(rest))
        level = 0
        while level < self.levels and min(rest.shape[-2:]) >= 2 * SMALLEST:
            low = self._blur(rest)[..., ::2, ::2]
            size = (rest.shape[-2], rest.shape[-1])
            up = F.interpolate(low, size=size, mode="bilinear", align_corners=False)
            total = total + 2**level * (rest - up).abs().flatten(1).mean(1)
            rest, level = low, level + 1
        coarsest: Tensor = rest.abs().flatten(1).mean(1)
        result: Tensor = total + 2**level * coarsest
        return result

    def _blur(self, x: Tensor) -> Tensor:
        kernel = self.taps.to(x)[None, None].expand(x.shape[1], 1, 5, 5)
        padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
        blurred: Tensor = F.conv2d(padded, kernel, groups=x.shape[1])
        return blurred
