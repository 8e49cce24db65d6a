"""Fusion at all scales, from the coarsest to the finest."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from tempo.models.fusion import FUSIONS
from tempo.models.fusion.guidance import Guidance
from tempo.spec.arch import ArchSpec


class PyramidFusion(nn.Module):
    """Features [B, N, C, H, W] per scale, finest first, and weights [B, N] -> fused features.

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
