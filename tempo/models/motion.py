"""Align the frames with the target time before anything else sees them, or leave them as they are.

A class of the table `MOTIONS` takes its options; its forward takes the frames [B, N, 3, H, W],
their weights [B, N] and the moments, and returns the frames that the network is given and the
weights of the blend, [B, N] or, by pixel, [B, N, H, W].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn, unflatten

from tempo.models.layers import LEAKY_SLOPE, Parameterless, conv, double
from tempo.models.padding import pad_to_stride, unpad
from tempo.models.temporal.weighting import Moments, even_weights
from tempo.models.windows import OUTSIDE
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations

FAINTEST = 1e-6
"""Weights count as at least this in the blend by pixel, so that a mask can raise any used view."""


class NoMotion(Parameterless):
    """Give the frames as they are: no optical flow (V2 and V3)."""

    def forward(self, frames: Tensor, weights: Tensor, moments: Moments) -> tuple[Tensor, Tensor]:
        return frames, weights


class FlowMotion(nn.Module):
    """Warp every frame to the target time by optical flow that is estimated coarse to fine.

    Each view has a flow and a mask of its own, estimated from its features and those of the view
    across the target, both warped by the flow so far; a scale corrects what the coarser ones
    found. A flow is the view's distance in time times a displacement per interval of the frames:
    it follows the target to any time and is zero at the view's own. No sign of a time enters, so
    that views may come in any order and a reversed clip gives the same picture.

    Pictures are warped, not features: one sampling serves encoder and blend, whatever the widths
    and scales behind it. The last layers start at zero, and with them flow and mask: the network
    begins as the one without this part.
    """

    def __init__(self, options: slots.FlowMotion) -> None:
        super().__init__()
        width = options.channels
        self.stride = 2**options.levels
        self.iterations = options.iterations
        self.features = nn.ModuleList(
            FlowFeatures(width if level else 3, width) for level in range(options.levels)
        )
        self.estimators = nn.ModuleList(FlowEstimator(width) for _ in range(options.levels))

    def forward(self, frames: Tensor, weights: Tensor, moments: Moments) -> tuple[Tensor, Tensor]:
        views = frames.shape[:2]
        padded, margins = pad_to_stride(frames.flatten(0, 1) - 0.5, self.stride)
        across = views_across(moments).to(padded.dtype)
        distance = moments.dt.abs().flatten()[:, None, None, None]
        flow, score = self._estimate(padded, across, distance)
        warped = warp(frames.flatten(0, 1), unpad(flow, margins))
        logits = weights.clamp_min(FAINTEST).log()[..., None, None]
        logits = logits + unflatten(unpad(score, margins).squeeze(1), 0, views)
        logits = torch.where(moments.mask[..., None, None], logits, OUTSIDE)
        return unflatten(warped, 0, views), torch.softmax(logits, 1)

    def _estimate(self, frames: Tensor, across: Tensor, distance: Tensor) -> tuple[Tensor, Tensor]:
        """Return flow [M, 2, H, W] in pixels and mask scores [M, 1, H, W] of [M, 3, H, W].

        Both are summed up in float32 at least: half types cannot tell neighbouring pixels apart.
        """
        pyramid: list[Tensor] = []
        x = frames
        for stage in self.features:
            x = stage(x)
            pyramid.append(x)
        wide = torch.promote_types(x.dtype, torch.float32)
        step = torch.zeros_like(x[:, :2], dtype=wide)
        score = torch.zeros_like(x[:, :1], dtype=wide)
        distance = distance.to(wide)
        for level in range(len(pyramid) - 1, -1, -1):
            for _ in range(self.iterations):
                found = self.estimators[level](pyramid[level], step, score, across, distance)
                step, score = step + found[:, :2], score + found[:, 2:]
            step, score = 2 * double(step), double(score)
        return distance * step, score


class FlowFeatures(nn.Module):
    """Halve the size of a picture or of features: [M, C, H, W] -> [M, channels, H/2, W/2]."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.first = conv(inputs, channels, stride=2)
        self.second = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return _act(self.second(_act(self.first(x))))


class FlowEstimator(nn.Module):
    """Estimate corrections of displacement and mask at one scale: [M, 3, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv(2 * channels + 4, 2 * channels)
        self.second = conv(2 * channels, channels)
        self.third = conv(channels, channels)
        self.last = conv(channels, 3)

    def initialise(self, generator: torch.Generator) -> None:
        """Start without any correction."""
        nn.init.zeros_(self.last.weight)

    def forward(
        self, features: Tensor, step: Tensor, score: Tensor, across: Tensor, distance: Tensor
    ) -> Tensor:
        aligned = warp(features, distance * step)
        by_view = unflatten(aligned, 0, across.shape[:2])
        other = torch.einsum("bij,bjchw->bichw", across, by_view).flatten(0, 1)
        told = torch.cat((step, score, distance.expand_as(score)), 1).to(aligned.dtype)
        x = torch.cat((aligned, other, told), 1).contiguous(memory_format=torch.channels_last)
        out: Tensor = self.last(_act(self.third(_act(self.second(_act(self.first(x)))))))
        return out


def _act(x: Tensor) -> Tensor:
    return F.leaky_relu(x, LEAKY_SLOPE)


def warp(x: Tensor, flow: Tensor) -> Tensor:
    """Sample [M, C, H, W] bilinearly at each pixel's place plus its flow [M, 2, H, W], (x, y).

    The border is repeated outside. Places and samples are computed in the flow's type.
    """
    height, width = x.shape[2:]
    down = torch.arange(height, device=x.device, dtype=flow.dtype) + 0.5
    along = torch.arange(width, device=x.device, dtype=flow.dtype) + 0.5
    beside = (along + flow[:, 0]) * (2 / width) - 1
    below = (down[:, None] + flow[:, 1]) * (2 / height) - 1
    sampled = F.grid_sample(
        x.to(flow.dtype),
        torch.stack((beside, below), -1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return sampled.to(x.dtype)


SAME_SIDE = 1e4
"""Distance that a view on the same side of the target counts as further, in intervals."""
ITSELF = 1e8


def views_across(moments: Moments) -> Tensor:
    """Return which views each view is compared with, as weights [B, N, N] that sum to 1 by row.

    The nearest used one on the other side of the target; without one, the nearest on its own
    side; without any other, itself.
    """
    dt = moments.dt
    same = (dt[:, :, None] * dt[:, None, :] > 0) * SAME_SIDE
    itself = torch.eye(dt.shape[1], device=dt.device, dtype=dt.dtype) * ITSELF
    rank = dt.abs()[:, None, :] + same + itself
    rank = rank.masked_fill(~moments.mask[:, None, :], torch.inf)
    nearest = rank == rank.amin(2, keepdim=True)
    return unflatten(even_weights(nearest.flatten(0, 1)), 0, dt.shape)


MOTIONS: Implementations[Callable[..., NoMotion | FlowMotion]] = Implementations(
    slots.MOTIONS, {slots.NoMotion: NoMotion, slots.FlowMotion: FlowMotion}
)
