"""Fusion of views at one scale: features [B, N, C, H, W] -> [B, C, H, W].

A class takes (its options, channels); its forward takes the features, the views' weights, [B, N,
1, 1] or [B, N, H, W], and the mask of used views [B, N], whose weights are 0.
"""

from __future__ import annotations

from torch import nn

from tempo.core.catalog import Catalog
from tempo.models.fusion.deformable_attention import DeformableAttention
from tempo.models.fusion.weighted import WeightedFusion
from tempo.models.fusion.window_attention import WindowAttention
from tempo.spec.options import Options

FUSIONS: Catalog[type[nn.Module]] = Catalog(
    "fusion",
    {
        "deformable_attention": DeformableAttention,
        "weighted": WeightedFusion,
        "window_attention": WindowAttention,
    },
)


def make_fusion(options: Options, channels: int) -> nn.Module:
    """The fusion that `ArchSpec.fusion` asks for, at one width."""
    return FUSIONS.get(options.kind)(options, channels)
