"""Fuse views at every scale: features [B, N, C, H, W] -> [B, C, H, W].

A class of the table `FUSIONS` takes (its options, channels); its forward takes the features, the
views' weights, [B, N, 1, 1] or [B, N, H, W], and the mask of used views [B, N], whose weights
are 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn, unflatten

from tempo.kernels.blend import blend
from tempo.kernels.selection import takes
from tempo.models.layers import Parameterless, conv, double
from tempo.models.windows import OUTSIDE, RelativeBias, Windows, attend, head_count, split_heads
from tempo.spec import arch_slots as slots
from tempo.spec.arch import ArchSpec
from tempo.spec.implementations import Implementations

FAINTEST = 1e-3
"""Weights count as at least this in attention scores, so that a far view can still be looked at."""


def weighted_sum(features: Tensor, weights: Tensor) -> Tensor:
    """Sum [B, N, C, H, W] under [B, N, 1 or H, 1 or W] -> [B, C, H, W], channels-last.

    Summed with channels innermost, because a sum over five axes forgets its input's layout.
    """
    by_view = weights.shape[2:] == (1, 1)
    if takes("blend", features, options=(by_view, True)):
        return blend(features, weights[..., 0, 0] if by_view else weights)
    pixels = features.permute(0, 1, 3, 4, 2) * weights.to(features.dtype).unsqueeze(-1)
    return pixels.sum(1).permute(0, 3, 1, 2)


def log_weights(weights: Tensor, mask: Tensor) -> Tensor:
    """Return the logarithms of weights as attention scores; `OUTSIDE` for unused views."""
    scores = weights.clamp_min(FAINTEST).log()
    return torch.where(mask[..., None, None], scores, OUTSIDE)


class WeightedFusion(Parameterless):
    """The sum of the views' features under the weights: no parameters."""

    def forward(self, features: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
        return weighted_sum(features, weights)


class WindowAttention(nn.Module):
    """weighted sum + attention of each pixel of it to the same window in every view.

    Motion beyond the window cannot be matched: see `deformable_attention` for longer reach.
    """

    def __init__(self, options: slots.WindowAttention, channels: int) -> None:
        super().__init__()
        self.size, self.heads = options.window, head_count(options.heads, channels)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self.bias = RelativeBias(options.window, self.heads)

    def forward(self, features: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
        base = weighted_sum(features, weights)
        views, cells = features.shape[1], self.size**2
        windows = Windows(base.shape[2], base.shape[3], self.size)
        tokens = self._by_window(windows.split(features.flatten(0, 1)), views)
        scores = log_weights(weights, mask).expand(-1, -1, *base.shape[2:]).flatten(0, 1)
        scores = windows.split(scores.unsqueeze(1))[..., 0] + windows.inside(scores)
        scores = unflatten(scores, 0, (-1, views)).transpose(1, 2).flatten(2)
        mixed = attend(
            split_heads(self.query(windows.split(base)), self.heads),
            split_heads(self.key(tokens), self.heads),
            split_heads(self.value(tokens), self.heads),
            scores[:, :, None],
            self.bias().unsqueeze(2).expand(-1, -1, views, cells).flatten(2),
        )
        return base + windows.join(self.out(mixed.transpose(-2, -3).flatten(-2)))

    @staticmethod
    def _by_window(tokens: Tensor, views: int) -> Tensor:
        """Reorder [B * N, windows, L, C] -> [B, windows, N * L, C]."""
        return unflatten(tokens, 0, (-1, views)).transpose(1, 2).flatten(2, 3)

    def initialise(self, generator: torch.Generator) -> None:
        """Start close to the weighted sum."""
        with torch.no_grad():
            self.out.weight.mul_(0.1)


class DeformableAttention(nn.Module):
    """weighted sum + attention to `points` places per head and view (Zhu et al. 2021).

    Offsets are pixels of this scale, unbounded: the reach is not cut by windows. They start on
    rings of growing radius, one direction a head. All heads, points and views are one sampling.
    """

    def __init__(self, options: slots.DeformableAttention, channels: int) -> None:
        super().__init__()
        self.heads, self.points = head_count(options.heads, channels), options.points
        per_view = self.heads * self.points
        self.value = conv(channels, channels, 1)
        self.offsets = conv(2 * channels, 2 * per_view)
        self.scores = conv(2 * channels, per_view)
        self.out = conv(channels, channels, 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Start with offsets on rings, whatever the features, close to the weighted sum."""
        turn = torch.arange(self.heads) * (2 * math.pi / self.heads)
        ring = torch.stack((turn.cos(), turn.sin()), -1)[:, None]
        radius = torch.arange(1, self.points + 1)[None, :, None]
        with torch.no_grad():
            self.offsets.weight.zero_()
            self.offsets.bias.copy_((ring * radius).flatten())  # type: ignore[union-attr]
            self.scores.weight.mul_(0.1)
            self.out.weight.mul_(0.1)

    def forward(self, features: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
        base = weighted_sum(features, weights)
        pairs = torch.cat((base.unsqueeze(1).expand_as(features), features), 2).flatten(0, 1)
        sampled = self._sample(self.value(features.flatten(0, 1)), self.offsets(pairs))
        sampled = unflatten(sampled, 0, features.shape[:2])
        attention = self._attention(self.scores(pairs), log_weights(weights, mask))
        mixed = (sampled * attention.unsqueeze(3)).sum((1, 4)).flatten(1, 2)
        mixed = mixed.to(base.dtype, memory_format=torch.channels_last)
        out: Tensor = base + self.out(mixed)
        return out

    def _sample(self, values: Tensor, offsets: Tensor) -> Tensor:
        """Sample [M, C, H, W] at [M, 2 heads points, H, W] -> [M, heads, C / heads, points, H, W].

        Places are computed in float32: half types cannot tell neighbouring pixels apart.
        """
        height, width = values.shape[2:]
        wide = torch.promote_types(values.dtype, torch.float32)
        moved = unflatten(offsets.to(wide), 1, (self.heads, self.points, 2))
        places = torch.movedim(moved, 3, -1) + _pixels(height, width, moved)
        grid = torch.stack((places[..., 0] * (2 / width), places[..., 1] * (2 / height)), -1) - 1
        sampled = F.grid_sample(
            unflatten(values.to(wide), 1, (self.heads, -1)).flatten(0, 1),
            grid.flatten(0, 1).flatten(1, 2),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return unflatten(unflatten(sampled, 2, (self.points, height)), 0, (-1, self.heads))

    def _attention(self, scores: Tensor, log_weight: Tensor) -> Tensor:
        """Normalise scores [B N, heads points, H, W] -> [B, N, heads, points, H, W]."""
        views = log_weight.shape[:2]
        scores = unflatten(unflatten(scores, 1, (self.heads, self.points)), 0, views)
        scores = (scores + log_weight[:, :, None, None]).transpose(1, 2).flatten(2, 3)
        normed = unflatten(torch.softmax(scores, 2), 2, (views[1], self.points))
        return normed.transpose(1, 2)


def _pixels(height: int, width: int, like: Tensor) -> Tensor:
    """Return the centre of every pixel, (x, y) from the picture's corner: [H, W, 2]."""
    y = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    x = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)


FUSIONS: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.FUSIONS,
    {
        slots.WeightedFusion: WeightedFusion,
        slots.WindowAttention: WindowAttention,
        slots.DeformableAttention: DeformableAttention,
    },
)


class Guidance(nn.Module):
    """softmax over views of log(weight) + <key(view), query(coarser)> / sqrt(d), per pixel.

    [B, N, C, H, W], the coarser scale's [B, C', H/2, W/2] and weights [B, N, 1, 1] -> weights
    [B, N, H, W].
    """

    def __init__(self, channels: int, coarser: int) -> None:
        super().__init__()
        self.depth = max(4, channels // 4)
        self.key = conv(channels, self.depth, 1, bias=False)
        self.query = conv(coarser, self.depth, 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Start close to the temporal weights."""
        with torch.no_grad():
            self.key.weight.mul_(0.1)

    def forward(self, features: Tensor, coarser: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
        keys = unflatten(self.key(features.flatten(0, 1)), 0, features.shape[:2])
        query = double(self.query(coarser)).unsqueeze(1)
        scores = (keys * query).sum(2) * self.depth**-0.5
        return torch.softmax(scores + log_weights(weights, mask), 1)


class PyramidFusion(nn.Module):
    """Fuse features [B, N, C, H, W] per scale, finest first, and weights [B, N] -> fused features.

    With `guidance`, the fused features of a scale re-weigh the views at the next finer one.
    """

    def __init__(self, arch: ArchSpec) -> None:
        super().__init__()
        widths = arch.channels
        self.scales = nn.ModuleList(FUSIONS.make(arch.fusion, width) for width in widths)
        pairs = itertools.pairwise(widths) if arch.guidance else ()
        self.guides = nn.ModuleList(Guidance(width, coarser) for width, coarser in pairs)

    def forward(self, pyramid: list[Tensor], weights: Tensor, mask: Tensor) -> list[Tensor]:
        shared = weights[..., None, None]
        fused: list[Tensor] = []
        for scale in range(len(pyramid) - 1, -1, -1):
            local = shared
            if fused and len(self.guides):
                local = self.guides[scale](pyramid[scale], fused[0], shared, mask)
            fused.insert(0, self.scales[scale](pyramid[scale], local, mask))
        return fused
