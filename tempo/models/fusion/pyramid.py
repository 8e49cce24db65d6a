"""Fuse views at all scales, from the coarsest to the finest, with cross-scale guidance."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn, unflatten

from tempo.models.fusion import FUSIONS
from tempo.models.fusion.weighted import log_weights
from tempo.models.layers import conv, double
from tempo.spec.arch import ArchSpec


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


class PyramidFusion(nn.Module):
    """Fuse features [B, N, C, H, W] per scale, finest first, and weights [B, N] -> fused features.

    With `guidance`, the fused features of a scale re-weigh the views at the next finer one.
    """

    def __init__(self, arch: ArchSpec) -> None:
        super().__init__()
        widths = arch.channels
        self.scales = nn.ModuleList(FUSIONS.make(arch.fusion, width) for width in widths)
        pairs = itertools.pairwise(widths) if arch.guidance else ()
        self.guides = nn.ModuleList(Guidance(width, coarser) for width, coarser in pairs)

    def forward(self, pyramid: list[Tensor], weights: Tensor, mask: Tensor) -> list[Tensor]:
        shared = weights[..., None, None]
        fused: list[Tensor] = []
        for scale in range(len(pyramid) - 1, -1, -1):
            local = shared
            if fused and len(self.guides):
                local = self.guides[scale](pyramid[scale], fused[0], shared, mask)
            fused.insert(0, self.scales[scale](pyramid[scale], local, mask))
        return fused
