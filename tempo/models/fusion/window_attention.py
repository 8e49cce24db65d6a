"""Fuse views by attention inside square windows (V2's, with its windows batched)."""

from __future__ import annotations

import torch
from torch import Tensor, nn, unflatten

from tempo.models.fusion.weighted import log_weights, weighted_sum
from tempo.models.windows import RelativeBias, Windows, attend, head_count, split_heads
from tempo.spec import arch_slots as slots


class WindowAttention(nn.Module):
    """weighted sum + attention of each pixel of it to the same window in every view.

    Motion beyond the window cannot be matched: see `deformable_attention` for longer reach.
    """

    def __init__(self, options: slots.WindowAttention, channels: int) -> None:
        super().__init__()
        self.size, self.heads = options.window, head_count(options.heads, channels)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self.bias = RelativeBias(options.window, self.heads)

    def forward(self, features: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
        base = weighted_sum(features, weights)
        views, cells = features.shape[1], self.size**2
        windows = Windows(base.shape[2], base.shape[3], self.size)
        tokens = self._by_window(windows.split(features.flatten(0, 1)), views)
        scores = log_weights(weights, mask).expand(-1, -1, *base.shape[2:]).flatten(0, 1)
        scores = windows.split(scores.unsqueeze(1))[..., 0] + windows.inside(scores)
        scores = unflatten(scores, 0, (-1, views)).transpose(1, 2).flatten(2)
        mixed = attend(
            split_heads(self.query(windows.split(base)), self.heads),
            split_heads(self.key(tokens), self.heads),
            split_heads(self.value(tokens), self.heads),
            scores[:, :, None],
            self.bias().unsqueeze(2).expand(-1, -1, views, cells).flatten(2),
        )
        return base + windows.join(self.out(mixed.transpose(-2, -3).flatten(-2)))

    @staticmethod
    def _by_window(tokens: Tensor, views: int) -> Tensor:
        """Reorder [B * N, windows, L, C] -> [B, windows, N * L, C]."""
        return unflatten(tokens, 0, (-1, views)).transpose(1, 2).flatten(2, 3)

    def initialise(self, generator: torch.Generator) -> None:
        """Start close to the weighted sum."""
        with torch.no_grad():
            self.out.weight.mul_(0.1)
