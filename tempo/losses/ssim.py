"""Compute structural similarity as a loss (Wang et al. 2004; Zhao et al. 2017)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.spec import losses as options

C1, C2 = 0.01**2, 0.03**2
"""SSIM's constants (K1 = 0.01, K2 = 0.03) for a data range of 1."""


class Ssim(nn.Module):
    """1 - mean SSIM over the places where the window fits, channel by channel.

    A picture smaller than the window is measured with the largest odd window that fits.
    """

    def __init__(self, options: options.Ssim) -> None:
        super().__init__()
        self.window, self.sigma = options.window, options.sigma

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """[B, 3, H, W] twice -> [B]."""
        p, t = prediction.flatten(0, 1)[:, None], target.flatten(0, 1)[:, None]
        stacked = torch.cat([p, t, p * p, t * t, p * t], dim=1)
        mean_p, mean_t, pp, tt, pt = self._means(stacked).unbind(1)
        var_p, var_t, both = pp - mean_p**2, tt - mean_t**2, pt - mean_p * mean_t
        structure = (2 * both + C2) / (var_p + var_t + C2)
        luminance = (2 * mean_p * mean_t + C1) / (mean_p**2 + mean_t**2 + C1)
        similarity = (structure * luminance).flatten(1).mean(1)
        return 1 - similarity.view(len(prediction), -1).mean(1)

    def _means(self, x: Tensor) -> Tensor:
        shortest = min(x.shape[-2:])
        side = min(self.window, shortest - 1 + shortest % 2)
        place = torch.arange(side, dtype=x.dtype, device=x.device) - (side - 1) / 2
        taps = torch.exp(-(place**2) / (2 * self.sigma**2))
        taps = taps / taps.sum()
        channels = x.shape[1]
        rows = taps.view(1, 1, side, 1).expand(channels, 1, side, 1)
        columns = taps.view(1, 1, 1, side).expand(channels, 1, 1, side)
        return F.conv2d(F.conv2d(x, rows, groups=channels), columns, groups=channels)
