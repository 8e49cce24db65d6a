"""Define the residual blocks of the network, and their chains under one residual group.

A class of the table `BLOCKS` takes (its options, a Site) and maps [B, C, H, W] to the same shape.

To add one: an `Options` subclass in `tempo.spec.arch_slots.BLOCKS`, a class here and a line in the
table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, is_grad_enabled, nn
from torch.utils.checkpoint import checkpoint

from tempo.kernels.gated_sum import gated_sum
from tempo.kernels.selection import takes
from tempo.models.layers import Parameterless, Site, activated, conv, make_activation
from tempo.models.norms import NORMS
from tempo.models.windows import RelativeBias, Windows, attend, head_count, split_heads
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations
from tempo.spec.options import Options


class PlainAdd(Parameterless):
    """x + change."""

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        return x + change


class SqueezeExcite(nn.Module):
    """x + g(change) * change, g from globally pooled channels (Hu et al. 2018).

    The gate and the sum are one fused multiply-add over the picture.
    """

    def __init__(self, options: slots.SqueezeExcite, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // options.reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        gate = self.gate(change)
        if x.dtype == change.dtype and takes("gated_sum", x, options=(False,)):
            return gated_sum(x, change, gate)
        return torch.addcmul(x, change, gate[..., None, None].to(x.dtype))

    def gate(self, change: Tensor) -> Tensor:
        """Return the gate of each channel, [B, C], in (0, 1)."""
        hidden = F.leaky_relu(self.squeeze(change.mean((2, 3))), 0.01)
        return torch.sigmoid(self.excite(hidden))


CHANNEL_ATTENTION: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.CHANNEL_ATTENTION,
    {slots.NoChannelAttention: PlainAdd, slots.SqueezeExcite: SqueezeExcite},
)


class PostAct(nn.Module):
    """conv-norm-act-conv-norm, the (gated) sum with the input, act (V2; He et al. 2015).

    The first convolution is dilated.
    """

    def __init__(self, options: slots.PostAct, site: Site) -> None:
        super().__init__()
        width, bias = site.channels, not site.normalised
        self.conv1 = conv(width, width, dilation=site.dilation, bias=bias)
        self.norm1 = NORMS.make(site.norm, width)
        self.conv2 = conv(width, width, bias=bias)
        self.norm2 = NORMS.make(site.norm, width)
        self.act = make_activation(site.activation)
        self.sum = CHANNEL_ATTENTION.make(site.channel_attention, site.channels)

    def forward(self, x: Tensor) -> Tensor:
        change = activated(self.conv1(x), self.norm1, self.act)
        change = self.norm2(self.conv2(change))
        out: Tensor = self.act(self.sum(x, change))
        return out


class PreAct(nn.Module):
    """norm-act-conv twice, then the (gated) sum with the input (V3; He et al. 2016).

    Only the first convolution is dilated: the second mixes what the first one skipped, so that
    dilation leaves no grid.
    """

    def __init__(self, options: slots.PreAct, site: Site) -> None:
        super().__init__()
        width, bias = site.channels, not site.normalised
        self.norm1 = NORMS.make(site.norm, width)
        self.conv1 = conv(width, width, dilation=site.dilation, bias=bias)
        self.norm2 = NORMS.make(site.norm, width)
        self.conv2 = conv(width, width, bias=bias)
        self.act = make_activation(site.activation)
        self.sum = CHANNEL_ATTENTION.make(site.channel_attention, site.channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.sum(x, self.change(x))
        return out

    def change(self, x: Tensor) -> Tensor:
        """Return what the block adds to `x`, before its channel attention."""
        change = self.conv1(activated(x, self.norm1, self.act))
        out: Tensor = self.conv2(activated(change, self.norm2, self.act))
        return out


class Swin(nn.Module):
    """Window attention, then a perceptron (Liu et al. 2021); odd blocks shift their windows.

    Layer normalisation is part of the block whatever `norm` says, and a dilation has no meaning
    here. The (gated) sum of the channel attention adds the perceptron's change.
    """

    def __init__(self, options: slots.Swin, site: Site) -> None:
        super().__init__()
        width = site.channels
        self.size = options.window
        self.shift = options.window // 2 if site.index % 2 else 0
        self.heads = head_count(options.heads, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_value = nn.Linear(width, 2 * width)
        # A key bias adds the same to every score of a query, which the softmax takes out again.
        self.key = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width)
        self.bias = RelativeBias(options.window, self.heads)
        hidden = max(1, round(width * options.mlp_ratio))
        self.expand, self.contract = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.sum = CHANNEL_ATTENTION.make(site.channel_attention, site.channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attention(x)
        pixels = self.norm2(x.permute(0, 2, 3, 1))
        change = self.contract(F.gelu(self.expand(pixels))).permute(0, 3, 1, 2)
        out: Tensor = self.sum(x, change)
        return out

    def _attention(self, x: Tensor) -> Tensor:
        windows = Windows(x.shape[2], x.shape[3], self.size, self.shift)
        tokens = self.norm1(windows.split(x))
        query, value = self.query_value(tokens).chunk(2, -1)
        mixed = attend(
            split_heads(query, self.heads),
            split_heads(self.key(tokens), self.heads),
            split_heads(value, self.heads),
            windows.inside(x)[:, None],
            self.bias(),
        )
        return windows.join(self.out(mixed.transpose(-2, -3).flatten(-2)))


BLOCKS: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.BLOCKS, {slots.PreAct: PreAct, slots.PostAct: PostAct, slots.Swin: Swin}
)


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

    def factor(self, start: Tensor) -> Tensor:
        """Return the scale."""
        return self.scale


class FixedGroup(nn.Module):
    """start + s * (end - start) with a constant s."""

    def __init__(self, options: slots.FixedGroup) -> None:
        super().__init__()
        self.scale = options.scale

    def forward(self, start: Tensor, end: Tensor) -> Tensor:
        return torch.lerp(start, end, self.scale)

    def factor(self, start: Tensor) -> Tensor:
        """Return the scale, beside `start`."""
        return torch.full((), self.scale, device=start.device)


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
        self.region: Callable[[nn.Module, Tensor], Tensor] | None = None
        """What applies a block as a region that a compiler compiles once for equal blocks."""

    def forward(self, x: Tensor) -> Tensor:
        if self.checkpointing and is_grad_enabled():
            end = checkpoint(self.blocks, x, use_reentrant=False, preserve_rng_state=False)
        elif self._ends_fused and takes("gated_sum", x, options=(True,)):
            return self._fused(x)
        else:
            end = self._applied(self.blocks, x)
        out: Tensor = self.group(x, end)
        return out

    def _applied(self, blocks: Iterable[nn.Module], x: Tensor) -> Tensor:
        for block in blocks:
            x = block(x) if self.region is None else self.region(block, x)
        return x

    @property
    def _ends_fused(self) -> bool:
        """Whether one kernel can carry out the last block's gated sum and the residual group."""
        last = self.blocks[-1] if len(self.blocks) else None
        gated = isinstance(last, PreAct) and isinstance(last.sum, SqueezeExcite)
        return gated and isinstance(self.group, LearnableGroup | FixedGroup)

    def _fused(self, start: Tensor) -> Tensor:
        *before, last = self.blocks
        x = self._applied(before, start)
        assert isinstance(last, PreAct)
        assert isinstance(last.sum, SqueezeExcite)
        assert isinstance(self.group, LearnableGroup | FixedGroup)
        change = last.change(x)
        if not start.dtype == x.dtype == change.dtype:
            out: Tensor = self.group(start, last.sum(x, change))
            return out
        gate = last.sum.gate(change)
        return gated_sum(x, change, gate, start, self.group.factor(start))
