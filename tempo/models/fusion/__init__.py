"""List the fusions of views at one scale: features [B, N, C, H, W] -> [B, C, H, W].

A class takes (its options, channels); its forward takes the features, the views' weights, [B, N,
1, 1] or [B, N, H, W], and the mask of used views [B, N], whose weights are 0.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tempo.models.fusion.deformable_attention import DeformableAttention
from tempo.models.fusion.weighted import WeightedFusion
from tempo.models.fusion.window_attention import WindowAttention
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations

FUSIONS: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.FUSIONS,
    {
        slots.WeightedFusion: WeightedFusion,
        slots.WindowAttention: WindowAttention,
        slots.DeformableAttention: DeformableAttention,
    },
)
