"""Fuse views by the weighted sum of their features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tempo.models.windows import OUTSIDE
from tempo.spec import arch_slots as slots

FAINTEST = 1e-3
"""Weights count as at least this in attention scores, so that a far view can still be looked at."""


def weighted_sum(features: Tensor, weights: Tensor) -> Tensor:
    """Sum [B, N, C, H, W] under [B, N, 1 or H, 1 or W] -> [B, C, H, W], channels-last.

    Summed with channels innermost, because a sum over five axes forgets its input's layout.
    """
    pixels = features.permute(0, 1, 3, 4, 2) * weights.to(features.dtype).unsqueeze(-1)
    return pixels.sum(1).permute(0, 3, 1, 2)


def log_weights(weights: Tensor, mask: Tensor) -> Tensor:
    """Return the logarithms of weights as attention scores; `OUTSIDE` for unused views."""
    scores = weights.clamp_min(FAINTEST).log()
    return torch.where(mask[..., None, None], scores, OUTSIDE)


class WeightedFusion(nn.Module):
    """The sum of the views' features under the weights: no parameters."""

    def __init__(self, options: slots.WeightedFusion, channels: int) -> None:
        super().__init__()

    def forward(self, features: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
        return weighted_sum(features, weights)
