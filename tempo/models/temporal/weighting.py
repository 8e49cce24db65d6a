"""Weigh the views by time: [B, N], non-negative, summing to 1, 0 for unused views."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tempo.models.temporal.relative_time import Moments, even_weights, neighbours
from tempo.spec import arch_slots as slots
from tempo.spec.implementations import Implementations

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


class LinearWeights(nn.Module):
    """Interpolate linearly between the anchors around the target; outside them, the nearest."""

    reads_time: ClassVar[bool] = False

    def __init__(self, options: slots.LinearWeights, time_channels: int) -> None:
        super().__init__()

    def forward(self, codes: Tensor, moments: Moments) -> Tensor:
        before, after = neighbours(moments)
        gap_before = (moments.dt * before).amin(1).neg()
        gap_after = (moments.dt * after).amax(1)
        inside = before.any(1) & after.any(1)
        gap = gap_before + gap_after
        share = torch.where(gap > 0, gap_after / gap.clamp_min(1e-12), 0.5)
        left = torch.where(inside, share, before.any(1).to(share.dtype))[:, None]
        return left * even_weights(before) + (1 - left) * even_weights(after)


class UniformWeights(nn.Module):
    """Weigh every view the same."""

    reads_time: ClassVar[bool] = False

    def __init__(self, options: slots.UniformWeights, time_channels: int) -> None:
        super().__init__()

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
