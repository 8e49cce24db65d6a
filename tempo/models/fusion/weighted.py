"""The sum of the views' features under their weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tempo.models.windows import OUTSIDE
from tempo.spec import arch_slots as slots

FAINTEST = 1e-3
"""Weights count as at least this in attention scores, so that a far view can still be looked at."""


def weighted_sum(features: Tensor, weights: Tensor) -> Tensor:
    """[B, N, C, H, W] and [B, N, 1 or H, 1 or W] -> [B, C, H, W], in the features' layout."""
    return (features * weights.to(features.dtype).unsqueeze(2)).sum(1)


def log_weights(weights: Tensor, mask: Tensor) -> Tensor:
    """Weights as attention scores: their logarithm; `OUTSIDE` for views that are not used."""
    scores = weights.clamp_min(FAINTEST).log()
    return torch.where(mask[..., None, None], scores, OUTSIDE)


class WeightedFusion(nn.Module):
    """The sum of the views' features under the weights: no parameters."""

    def __init__(self, options: slots.WeightedFusion, channels: int) -> None:
        super().__init__()

    def forward(self, features: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
        return weighted_sum(features, weights)
