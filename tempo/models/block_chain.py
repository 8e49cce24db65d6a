"""Chain residual blocks under one residual group, with optional gradient checkpointing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, is_grad_enabled, nn
from torch.utils.checkpoint import checkpoint

from tempo.models.blocks import BLOCKS
from tempo.models.layers import Parameterless, Site
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations
from tempo.spec.options import Options

PLAIN = slots.PlainChain()


class PlainChain(Parameterless):
    """Return the chain's output alone (V2)."""

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


class Chain(nn.Module):
    """Run `count` blocks in a row under one residual group: [B, C, H, W] -> the same.

    Dilations repeat their pattern for as long as the chain is; they are never cut short.
    """

    def __init__(
        self,
        block: Options,
        site: Site,
        count: int,
        *,
        dilations: tuple[int, ...] = (1,),
        group: Options = PLAIN,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(BLOCKS.make(block, site.step(i, dilations[i % len(dilations)])) for i in range(count))
        )
        self.group = RESIDUAL_GROUPS.make(group)
        self.checkpointing = checkpointing

    def forward(self, x: Tensor) -> Tensor:
        if self.checkpointing and is_grad_enabled():
            end = checkpoint(self.blocks, x, use_reentrant=False, preserve_rng_state=False)
        else:
            end = self.blocks(x)
        out: Tensor = self.group(x, end)
        return out
