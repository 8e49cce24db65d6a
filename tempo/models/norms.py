"""Normalise features: group, layer or no normalisation, keeping the memory format."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.models.group_norm import group_norm
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations

EPS = 1e-5
SMALLEST_GROUP = 4
"""Channels in a group at least: smaller groups come close to instance normalisation, which erases
a picture's contrast."""


def group_count(groups: int, channels: int) -> int:
    """Return the largest divisor of `channels` up to `groups` with `SMALLEST_GROUP` a group."""
    most = max(1, min(groups, channels // SMALLEST_GROUP))
    return next(count for count in range(most, 0, -1) if channels % count == 0)


class AffineNorm(nn.Module):
    """Hold the weight and bias of a normalisation, one of each a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def reset_parameters(self) -> None:
        """Start as the bare normalisation."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)


class GroupNorm(AffineNorm):
    """Normalise groups of channels (Wu and He 2018): [B, C, H, W] -> the same, layout kept."""

    def __init__(self, options: slots.GroupNorm, channels: int) -> None:
        super().__init__(channels)
        self.groups = group_count(options.groups, channels)

    def forward(self, x: Tensor) -> Tensor:
        return group_norm(x, self.groups, self.weight, self.bias, EPS)


class Layer2d(AffineNorm):
    """Normalise the channels of each pixel (as in ConvNeXt; Liu et al. 2022)."""

    def __init__(self, options: slots.Layer2d, channels: int) -> None:
        super().__init__(channels)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)
        normed = F.layer_norm(pixels, (self.channels,), self.weight, self.bias, EPS)
        return normed.permute(0, 3, 1, 2)


class NoNorm(nn.Identity):
    """Change nothing: the ablation `norm: none`."""

    def __init__(self, options: slots.NoNorm, channels: int) -> None:
        super().__init__()


NORMS: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.NORMS, {slots.GroupNorm: GroupNorm, slots.NoNorm: NoNorm, slots.Layer2d: Layer2d}
)
