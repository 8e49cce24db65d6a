"""Map features of the finest scale to three channels."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from tempo.models.block_chain import Chain
from tempo.models.layers import conv, make_activation
from tempo.models.site import site_of
from tempo.spec import arch_slots as slots
from tempo.spec.arch import ArchSpec
from tempo.spec.implementations import Implementations


class BlockHead(nn.Module):
    """conv, blocks, conv (V2)."""

    def __init__(self, options: slots.BlockHead, arch: ArchSpec, inputs: int) -> None:
        super().__init__()
        width = arch.channels[0]
        self.first = conv(inputs, width)
        self.chain = Chain(
            arch.block, site_of(arch, width), options.blocks, checkpointing=arch.checkpointing
        )
        self.last = conv(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.chain(self.first(x)))
        return out


class TaperHead(nn.Module):
    """convs C -> C -> C/2 -> 3 (V3)."""

    def __init__(self, options: slots.TaperHead, arch: ArchSpec, inputs: int) -> None:
        super().__init__()
        width = arch.channels[0]
        self.first = conv(inputs, width)
        self.second = conv(width, width // 2)
        self.last = conv(width // 2, 3)
        self.act = make_activation(arch.activation)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.second(self.act(self.first(x))))
        out: Tensor = self.last(x)
        return out


HEADS: Implementations[Callable[..., BlockHead | TaperHead]] = Implementations(
    slots.HEADS, {slots.BlockHead: BlockHead, slots.TaperHead: TaperHead}
)
