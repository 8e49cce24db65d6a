"""Turn the finest features into the picture: head, output, and a gate at scene cuts."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from tempo.kernels.blend import blend as fused_blend
from tempo.kernels.selection import takes
from tempo.models.blocks import Chain
from tempo.models.layers import Parameterless, conv, make_activation, site_of
from tempo.models.temporal.weighting import Moments, even_weights, neighbours
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
            arch.block,
            site_of(arch, width),
            options.blocks,
            checkpointing=arch.checkpointing is True,
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


def blend(frames: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum over views: [B, N, C, H, W] and weights -> [B, C, H, W].

    The weights are [B, N] or, by pixel, [B, N, H, W].
    """
    if takes("blend", frames, options=(weights.dim() == 2, False)):
        return fused_blend(frames, weights)
    by_pixel = weights if weights.dim() == 4 else weights[..., None, None]
    return (frames * by_pixel.to(frames.dtype).unsqueeze(2)).sum(1)


class ResidualBlend(Parameterless):
    """Add a residual, whose last layer starts at zero, to the time-weighted blend of frames."""

    starts_at_zero: ClassVar[bool] = True

    def forward(self, change: Tensor, frames: Tensor, weights: Tensor) -> Tensor:
        return blend(frames, weights) + change


class Sigmoid(Parameterless):
    """Squash the picture into (0, 1), as the founding text did.

    It has the whole picture to draw: after 500 steps on the procedural data it is 10 dB below
    frame averaging (docs/models.md).
    """

    starts_at_zero: ClassVar[bool] = False

    def forward(self, change: Tensor, frames: Tensor, weights: Tensor) -> Tensor:
        return torch.sigmoid(change).to(frames.dtype)


OUTPUTS: Implementations[Callable[..., ResidualBlend | Sigmoid]] = Implementations(
    slots.OUTPUTS, {slots.ResidualBlend: ResidualBlend, slots.Sigmoid: Sigmoid}
)


class NoGate(Parameterless):
    """Return the picture unchanged."""

    def forward(self, picture: Tensor, frames: Tensor, moments: Moments) -> Tensor:
        return picture


class NearestGate(nn.Module):
    """Fall back to the nearest frame where the anchors around the target differ too much.

    The difference is the mean absolute one of the two anchors; sigmoid((difference - threshold) /
    softness) is the share of the nearest frame. Nothing in it is learned. Of two frames equally
    near the earlier is taken, because a blend across a cut shows neither scene: in that one case
    a reversed clip gives another picture.
    """

    def __init__(self, options: slots.NearestGate) -> None:
        super().__init__()
        self.threshold, self.softness = options.threshold, options.softness

    def forward(self, picture: Tensor, frames: Tensor, moments: Moments) -> Tensor:
        before, after = neighbours(moments)
        both = before.any(1) & after.any(1)
        signs = even_weights(before) - even_weights(after)
        difference = blend(frames, signs).abs().mean((1, 2, 3))
        share = torch.sigmoid((difference - self.threshold) / self.softness) * both
        nearest = blend(frames, _nearest(moments))
        return torch.lerp(picture, nearest, share.to(picture.dtype)[:, None, None, None])


def _nearest(moments: Moments) -> Tensor:
    """Return weights [B, N] of the nearest view; of a tie the earlier, views of one time shared."""
    distance = moments.dt.abs().masked_fill(~moments.mask, torch.inf)
    near = distance == distance.amin(1, keepdim=True)
    first = moments.dt.masked_fill(~near, torch.inf)
    return even_weights(near & (first == first.amin(1, keepdim=True)))


SCENE_CUTS: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.SCENE_CUTS, {slots.NoGate: NoGate, slots.NearestGate: NearestGate}
)
