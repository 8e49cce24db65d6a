"""Encode relative times into one code per view and one code for the target.

A class takes (its options, target=...), `target` being whether anything reads the target's code,
and has `channels`, the width of its codes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.models.temporal.weighting import Moments
from tempo.models.windows import head_count, split_heads
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations
from tempo.spec.options import Options

LOWEST = 1 / 8
"""Cycles per span of the lowest frequency: its sine rises all the way from dt = -2 to 2."""


class Waves(nn.Module):
    """Compute sin and cos of 2 pi f x at octaves f = lowest * 2^k: [...] -> [..., 2 * octaves]."""

    frequencies: Tensor

    def __init__(self, octaves: int, lowest: float) -> None:
        super().__init__()
        angular = 2 * math.pi * lowest * 2.0 ** torch.arange(octaves)
        self.register_buffer("frequencies", angular, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        angles = x.unsqueeze(-1) * self.frequencies
        return torch.cat((angles.sin(), angles.cos()), -1).to(self.frequencies.dtype)


class Sinusoidal(nn.Module):
    """Encode by octaves that do not alias on [-2, 2], and a linear layer.

    A view's code is of its dt; the target's is of its offset from the middle of the interval, so
    that the decoder knows the target time too.
    """

    lowest = LOWEST

    def __init__(
        self, options: slots.Sinusoidal | slots.SinusoidalOctaves, *, target: bool = True
    ) -> None:
        super().__init__()
        self.channels = options.channels
        self.features = Waves(options.octaves, self.lowest)
        self.view = nn.Linear(2 * options.octaves, options.channels)
        self.target = nn.Linear(2 * options.octaves, options.channels) if target else None

    def forward(self, moments: Moments) -> tuple[Tensor, Tensor]:
        """Return the codes of the views [B, N, channels] and the target [B, channels] or zeros."""
        views = self.view(self.features(moments.dt))
        if self.target is None:
            return views, torch.zeros_like(views[:, 0])
        return views, self.target(self.features(moments.offset))


class SinusoidalOctaves(Sinusoidal):
    """Encode by integer octaves: dt = 0, -1 and 1 have one code, and so have -0.5 and 0.5."""

    lowest = 1.0


class Layer(nn.Module):
    """Run a pre-normalised transformer layer over [B, T, C] (Vaswani et al. 2017)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = head_count(heads, channels)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query_value = nn.Linear(channels, 2 * channels)
        self.key = nn.Linear(channels, channels, bias=False)
        self.out = nn.Linear(channels, channels)
        self.expand = nn.Linear(channels, 2 * channels)
        self.contract = nn.Linear(2 * channels, channels)

    def forward(self, tokens: Tensor, seen: Tensor) -> Tensor:
        normed = self.norm1(tokens)
        query, value = self.query_value(normed).chunk(2, -1)
        mixed = F.scaled_dot_product_attention(
            split_heads(query, self.heads),
            split_heads(self.key(normed), self.heads),
            split_heads(value, self.heads),
            attn_mask=seen[:, None, None, :],
        )
        tokens = tokens + self.out(mixed.transpose(-2, -3).flatten(-2))
        out: Tensor = tokens + self.contract(F.gelu(self.expand(self.norm2(tokens))))
        return out


class TimeTransformer(nn.Module):
    """Encode by self-attention over the times of all views and of the target."""

    def __init__(self, options: slots.TimeTransformer, *, target: bool = True) -> None:
        super().__init__()
        self.channels = options.channels
        self.features = Waves(options.octaves, LOWEST)
        self.view = nn.Linear(2 * options.octaves, options.channels)
        self.target = nn.Linear(2 * options.octaves, options.channels)
        self.layers = nn.ModuleList(
            Layer(options.channels, options.heads) for _ in range(options.layers)
        )
        self.norm = nn.LayerNorm(options.channels)

    def forward(self, moments: Moments) -> tuple[Tensor, Tensor]:
        """Return the codes of the views [B, N, channels] and of the target [B, channels]."""
        views = self.view(self.features(moments.dt))
        target = self.target(self.features(moments.offset)).unsqueeze(1)
        tokens = torch.cat((target, views), 1)
        seen = F.pad(moments.mask, (1, 0), value=True)
        for layer in self.layers:
            tokens = layer(tokens, seen)
        tokens = self.norm(tokens)
        return tokens[:, 1:], tokens[:, 0]


TIME_ENCODERS: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.TIME_ENCODERS,
    {
        slots.Sinusoidal: Sinusoidal,
        slots.SinusoidalOctaves: SinusoidalOctaves,
        slots.TimeTransformer: TimeTransformer,
    },
)


class Timeless(nn.Module):
    """Give no codes, for a network none of whose parts reads one: no parameter is left unused."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = 1

    def forward(self, moments: Moments) -> tuple[Tensor, Tensor]:
        """Return zeros, [B, N, 1] and [B, 1]."""
        codes = torch.zeros_like(moments.dt).unsqueeze(-1)
        return codes, codes[:, 0]


def make_time_encoder(options: Options, *, views: bool, target: bool) -> nn.Module:
    """Build the encoder of `ArchSpec.time_encoder`, with the codes that other parts read."""
    if not (views or target):
        return Timeless()
    return TIME_ENCODERS.make(options, target=target)


def reads_time(part: Callable[..., nn.Module]) -> bool:
    """Return whether a part reads the time codes: its `reads_time`, True by default."""
    return bool(getattr(part, "reads_time", True))
