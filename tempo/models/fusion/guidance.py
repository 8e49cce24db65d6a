"""Cross-scale guidance: the coarser fused features re-weigh the views at each finer pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn, unflatten

from tempo.models.fusion.weighted import log_weights
from tempo.models.layers import conv, double


class Guidance(nn.Module):
    """softmax over views of log(weight) + <key(view), query(coarser)> / sqrt(d), per pixel.

    [B, N, C, H, W], the coarser scale's [B, C', H/2, W/2] and weights [B, N, 1, 1] -> weights
    [B, N, H, W].
    """

    def __init__(self, channels: int, coarser: int) -> None:
        super().__init__()
        self.depth = max(4, channels // 4)
        self.key = conv(channels, self.depth, 1, bias=False)
        self.query = conv(coarser, self.depth, 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Start close to the temporal weights."""
        with torch.no_grad():
            self.key.weight.mul_(0.1)

    def forward(self, features: Tensor, coarser: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
        keys = unflatten(self.key(features.flatten(0, 1)), 0, features.shape[:2])
        query = double(self.query(coarser)).unsqueeze(1)
        scores = (keys * query).sum(2) * self.depth**-0.5
        return torch.softmax(scores + log_weights(weights, mask), 1)
