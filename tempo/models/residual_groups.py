"""Join a chain of blocks with its input: plain, or under a learnable or fixed scale."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations


class PlainChain(nn.Module):
    """Return the chain's output alone (V2)."""

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


RESIDUAL_GROUPS: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.RESIDUAL_GROUPS,
    {
        slots.PlainChain: PlainChain,
        slots.LearnableGroup: LearnableGroup,
        slots.FixedGroup: FixedGroup,
    },
)
