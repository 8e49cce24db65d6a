"""Chain residual blocks under one residual group, with optional gradient checkpointing."""

from __future__ import annotations

from torch import Tensor, is_grad_enabled, nn
from torch.utils.checkpoint import checkpoint

from tempo.models.blocks import BLOCKS
from tempo.models.residual_groups import RESIDUAL_GROUPS
from tempo.models.site import Site
from tempo.spec import arch_slots as slots
from tempo.spec.options import Options

PLAIN = slots.PlainChain()


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
