"""Compute times relative to the target and weigh the views by them.

Weights are [B, N], non-negative, sum to 1, and are 0 for unused views.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.models.layers import Parameterless
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations


class Moments(NamedTuple):
    """Hold relative times of a batch. Reversing time negates `dt` and `offset` and nothing else."""

    dt: Tensor
    """[B, N]: (t_i - t) / span, 0 for unused views; in [-1, 1] between the anchors."""
    offset: Tensor
    """[B]: (t - middle of the interval) / span; in [-0.5, 0.5] between the anchors."""
    mask: Tensor
    """[B, N] bool: which views are used."""


def relative(times: Tensor, target_time: Tensor, mask: Tensor | None = None) -> Moments:
    """Return relative times of `times` [B, N] as seen from `target_time` [B], both in any one unit.

    Frames that all carry one time give a span of 1, so that nothing is divided by zero.
    """
    used = torch.ones_like(times, dtype=torch.bool) if mask is None else mask.bool()
    first = times.masked_fill(~used, torch.inf).amin(1)
    last = times.masked_fill(~used, -torch.inf).amax(1)
    span = last - first
    span = torch.where(span > 0, span, torch.ones_like(span))
    dt = (times - target_time[:, None]) / span[:, None]
    offset = (target_time - (first + last) / 2) / span
    return Moments(dt.masked_fill(~used, 0.0), offset, used)


def neighbours(moments: Moments) -> tuple[Tensor, Tensor]:
    """Return which views are the nearest anchor before and after the target: two [B, N] bool.

    A view exactly at the target is the nearest on both sides; views of one time share the place.
    """
    dt, mask = moments.dt, moments.mask
    before, after = mask & (dt <= 0), mask & (dt >= 0)
    left = dt.masked_fill(~before, -torch.inf)
    right = dt.masked_fill(~after, torch.inf)
    return (
        before & (left == left.amax(1, keepdim=True)),
        after & (right == right.amin(1, keepdim=True)),
    )


def even_weights(chosen: Tensor) -> Tensor:
    """Return equal weights over the chosen views of each sample; all 0 where none is chosen."""
    return chosen / chosen.sum(1, keepdim=True).clamp_min(1)


ALPHA = 3.0
"""Initial fall-off: two views then weigh much as in linear interpolation, 0.95 to 0.05 at t = 0."""
BONUS = 1.0


class LearnedWeights(nn.Module):
    """softmax(MLP(code) - alpha dt^2 + bonus of the nearest anchor on each side).

    The perceptron's last layer starts at zero, so the weights start from the times alone. The
    bonus of two frames around the target cancels out: only more views give it a gradient.
    """

    def __init__(self, options: slots.LearnedWeights, time_channels: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(time_channels, time_channels)
        self.score = nn.Linear(time_channels, 1, bias=False)
        self.alpha = nn.Parameter(torch.empty(()))
        self.bonus = nn.Parameter(torch.empty(()))

    def initialise(self, generator: torch.Generator) -> None:
        """Start from the times alone."""
        nn.init.zeros_(self.score.weight)
        nn.init.constant_(self.alpha, ALPHA)
        nn.init.constant_(self.bonus, BONUS)

    def forward(self, codes: Tensor, moments: Moments) -> Tensor:
        before, after = neighbours(moments)
        score = self.score(F.gelu(self.hidden(codes))).squeeze(-1)
        score = score - self.alpha * moments.dt.square() + self.bonus * (before | after)
        return torch.softmax(score.masked_fill(~moments.mask, -torch.inf), 1)


class LinearWeights(Parameterless):
    """Interpolate linearly between the anchors around the target; outside them, the nearest."""

    reads_time: ClassVar[bool] = False

    def forward(self, codes: Tensor, moments: Moments) -> Tensor:
        before, after = neighbours(moments)
        gap_before = (moments.dt * before).amin(1).neg()
        gap_after = (moments.dt * after).amax(1)
        inside = before.any(1) & after.any(1)
        gap = gap_before + gap_after
        share = torch.where(gap > 0, gap_after / gap.clamp_min(1e-12), 0.5)
        left = torch.where(inside, share, before.any(1).to(share.dtype))[:, None]
        return left * even_weights(before) + (1 - left) * even_weights(after)


class UniformWeights(Parameterless):
    """Weigh every view the same."""

    reads_time: ClassVar[bool] = False

    def forward(self, codes: Tensor, moments: Moments) -> Tensor:
        return even_weights(moments.mask).to(moments.dt.dtype)


TEMPORAL_WEIGHTS: Implementations[Callable[..., nn.Module]] = Implementations(
    slots.TEMPORAL_WEIGHTS,
    {
        slots.LearnedWeights: LearnedWeights,
        slots.LinearWeights: LinearWeights,
        slots.UniformWeights: UniformWeights,
    },
)
