"""Turn the head's channels into the picture, and gate it at scene cuts."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from tempo.models.temporal.relative_time import Moments, even_weights, neighbours
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations


def blend(frames: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sum over views: [B, N, C, H, W] and [B, N] -> [B, C, H, W]."""
    return (frames * weights.to(frames.dtype)[..., None, None, None]).sum(1)


class ResidualBlend(nn.Module):
    """Add a residual, whose last layer starts at zero, to the time-weighted blend of frames."""

    starts_at_zero: ClassVar[bool] = True

    def __init__(self, options: slots.ResidualBlend) -> None:
        super().__init__()

    def forward(self, change: Tensor, frames: Tensor, weights: Tensor) -> Tensor:
        return blend(frames, weights) + change


class Sigmoid(nn.Module):
    """Squash the picture into (0, 1), as the founding text did.

    It has the whole picture to draw: after 500 steps on the procedural data it is 10 dB below
    frame averaging (docs/models.md).
    """

    starts_at_zero: ClassVar[bool] = False

    def __init__(self, options: slots.Sigmoid) -> None:
        super().__init__()

    def forward(self, change: Tensor, frames: Tensor, weights: Tensor) -> Tensor:
        return torch.sigmoid(change).to(frames.dtype)


OUTPUTS: Implementations[Callable[..., ResidualBlend | Sigmoid]] = Implementations(
    slots.OUTPUTS, {slots.ResidualBlend: ResidualBlend, slots.Sigmoid: Sigmoid}
)


class NoGate(nn.Module):
    """Return the picture unchanged."""

    def __init__(self, options: slots.NoGate) -> None:
        super().__init__()

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
