"""Means with intervals, by Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from tempo.core.t_interval import mean_half_width, pooled_variance, two_sided_quantile
from tempo.records.search_record import Estimate

LEVEL = 0.95


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of at least one value, with an interval from two on."""
    mean, half = fmean(values), mean_half_width(values, LEVEL)
    if half is None:
        return Estimate(mean=mean, count=len(values))
    return Estimate(mean=mean, count=len(values), low=mean - half, high=mean + half)


def paired(one: Sequence[float], other: Sequence[float]) -> Estimate:
    """The mean of the differences of paired values."""
    return estimate([a - b for a, b in zip(one, other, strict=True)])


def difference(one: Sequence[float], other: Sequence[float]) -> Estimate:
    """The difference of two independent means, from the pooled variance of both.

    With no more than one value on each side there is no interval.
    """
    mean = fmean(one) - fmean(other)
    pooled, freedom = pooled_variance((one, other))
    if not freedom:
        return Estimate(mean=mean, count=len(one))
    error = math.sqrt(pooled * (1 / len(one) + 1 / len(other)))
    half = two_sided_quantile(LEVEL, freedom) * error
    return Estimate(mean=mean, count=len(one), low=mean - half, high=mean + half)
