"""Means with intervals, by Student's t."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev, variance

from tempo.records.search_record import Estimate

LEVEL = 0.95


def _quantile(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of at least one value, with an interval from two on."""
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(mean=mean, count=len(values))
    half = _quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Estimate(mean=mean, count=len(values), low=mean - half, high=mean + half)


def paired(one: Sequence[float], other: Sequence[float]) -> Estimate:
    """The mean of the differences of paired values."""
    return estimate([a - b for a, b in zip(one, other, strict=True)])


def difference(one: Sequence[float], other: Sequence[float]) -> Estimate:
    """The difference of two independent means, from the pooled variance of both.

    With no more than one value on each side there is no interval.
    """
    mean, freedom = fmean(one) - fmean(other), len(one) + len(other) - 2
    if freedom < 1:
        return Estimate(mean=mean, count=len(one))
    squares = sum((len(x) - 1) * variance(x) for x in (one, other) if len(x) > 1)
    error = math.sqrt(squares / freedom * (1 / len(one) + 1 / len(other)))
    half = _quantile(freedom) * error
    return Estimate(mean=mean, count=len(one), low=mean - half, high=mean + half)
