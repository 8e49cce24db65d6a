"""Compute times relative to the target, in units of the interval that the frames cover."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


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
