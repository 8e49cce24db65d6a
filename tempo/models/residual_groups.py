"""Residual groups: what a chain of blocks adds to its input, as a whole."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tempo.core.catalog import Catalog
from tempo.spec import arch_slots as slots
from tempo.spec.options import Options


class PlainChain(nn.Module):
    """The chain's output alone (V2)."""

    def __init__(self, options: slots.PlainChain) -> None:
        super().__init__()

    def forward(self, start: Tensor, end: Tensor) -> Tensor:
        return end


class LearnableGroup(nn.Module):
    """start + s * (end - start) with a learnable s (EDSR's residual scaling; Lim et al. 2017)."""

    def __init__(self, options: slots.LearnableGroup) -> None:
        super().__init__()
        self.start = options.init
        self.scale = nn.Parameter(torch.empty(()))

    def initialise(self, generator: torch.Generator) -> None:
        """Start at the configured scale."""
        nn.init.constant_(self.scale, self.start)

    def forward(self, start: Tensor, end: Tensor) -> Tensor:
        return torch.lerp(start, end, self.scale.to(end.dtype))


class FixedGroup(nn.Module):
    """start + s * (end - start) with a constant s."""

    def __init__(self, options: slots.FixedGroup) -> None:
        super().__init__()
        self.scale = options.scale

    def forward(self, start: Tensor, end: Tensor) -> Tensor:
        return torch.lerp(start, end, self.scale)


RESIDUAL_GROUPS: Catalog[type[nn.Module]] = Catalog(
    "residual group", {"fixed": FixedGroup, "learnable": LearnableGroup, "none": PlainChain}
)


def make_residual_group(options: Options) -> nn.Module:
    """The sum that `ArchSpec.residual_group` asks for."""
    return RESIDUAL_GROUPS.get(options.kind)(options)
