"""Fuse views by deformable attention: each pixel samples a few learned places of every view."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn, unflatten

from tempo.models.fusion.weighted import log_weights, weighted_sum
from tempo.models.layers import conv
from tempo.models.windows import head_count
from tempo.spec import arch_slots as slots


class DeformableAttention(nn.Module):
    """weighted sum + attention to `points` places per head and view (Zhu et al. 2021).

    Offsets are pixels of this scale, unbounded: the reach is not cut by windows. They start on
    rings of growing radius, one direction a head. All heads, points and views are one sampling.
    """

    def __init__(self, options: slots.DeformableAttention, channels: int) -> None:
        super().__init__()
        self.heads, self.points = head_count(options.heads, channels), options.points
        per_view = self.heads * self.points
        self.value = conv(channels, channels, 1)
        self.offsets = conv(2 * channels, 2 * per_view)
        self.scores = conv(2 * channels, per_view)
        self.out = conv(channels, channels, 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Start with offsets on rings, whatever the features, close to the weighted sum."""
        turn = torch.arange(self.heads) * (2 * math.pi / self.heads)
        ring = torch.stack((turn.cos(), turn.sin()), -1)[:, None]
        radius = torch.arange(1, self.points + 1)[None, :, None]
        with torch.no_grad():
            self.offsets.weight.zero_()
            self.offsets.bias.copy_((ring * radius).flatten())  # type: ignore[union-attr]
            self.scores.weight.mul_(0.1)
            self.out.weight.mul_(0.1)

    def forward(self, features: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
        base = weighted_sum(features, weights)
        pairs = torch.cat((base.unsqueeze(1).expand_as(features), features), 2).flatten(0, 1)
        sampled = self._sample(self.value(features.flatten(0, 1)), self.offsets(pairs))
        sampled = unflatten(sampled, 0, features.shape[:2])
        attention = self._attention(self.scores(pairs), log_weights(weights, mask))
        mixed = (sampled * attention.unsqueeze(3)).sum((1, 4)).flatten(1, 2)
        mixed = mixed.to(base.dtype, memory_format=torch.channels_last)
        out: Tensor = base + self.out(mixed)
        return out

    def _sample(self, values: Tensor, offsets: Tensor) -> Tensor:
        """Sample [M, C, H, W] at [M, 2 heads points, H, W] -> [M, heads, C / heads, points, H, W].

        Places are computed in float32: half types cannot tell neighbouring pixels apart.
        """
        height, width = values.shape[2:]
        wide = torch.promote_types(values.dtype, torch.float32)
        moved = unflatten(offsets.to(wide), 1, (self.heads, self.points, 2))
        places = torch.movedim(moved, 3, -1) + _pixels(height, width, moved)
        grid = torch.stack((places[..., 0] * (2 / width), places[..., 1] * (2 / height)), -1) - 1
        sampled = F.grid_sample(
            unflatten(values.to(wide), 1, (self.heads, -1)).flatten(0, 1),
            grid.flatten(0, 1).flatten(1, 2),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return unflatten(unflatten(sampled, 2, (self.points, height)), 0, (-1, self.heads))

    def _attention(self, scores: Tensor, log_weight: Tensor) -> Tensor:
        """Normalise scores [B N, heads points, H, W] -> [B, N, heads, points, H, W]."""
        views = log_weight.shape[:2]
        scores = unflatten(unflatten(scores, 1, (self.heads, self.points)), 0, views)
        scores = (scores + log_weight[:, :, None, None]).transpose(1, 2).flatten(2, 3)
        normed = unflatten(torch.softmax(scores, 2), 2, (views[1], self.points))
        return normed.transpose(1, 2)


def _pixels(height: int, width: int, like: Tensor) -> Tensor:
    """Return the centre of every pixel, (x, y) from the picture's corner: [H, W, 2]."""
    y = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    x = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)
