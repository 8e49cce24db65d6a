"""Compute Student's t intervals of means, and variances pooled over groups.

SciPy is imported on first use: planning a study imports this module and must not wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import stdev, variance


def t_quantile(probability: float, df: float) -> float:
    """Return the t value below which `probability` lies; infinite `df` is the normal law."""
    from scipy import special

    if math.isinf(df):
        return float(special.ndtri(probability))
    return float(special.stdtrit(df, probability))


def two_sided_quantile(level: float, df: float) -> float:
    """Return the t value that encloses `level` of the distribution between minus and plus it."""
    return t_quantile(0.5 + level / 2, df)


def mean_half_width(values: Sequence[float], level: float) -> float | None:
    """Return half the width of the t interval of the mean; None below two finite values."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    quantile = two_sided_quantile(level, len(values) - 1)
    return quantile * stdev(values) / math.sqrt(len(values))


def pooled_variance(groups: Iterable[Sequence[float]]) -> tuple[float, int]:
    """Return the variance within groups, pooled over them, and its degrees of freedom.

    Groups of one value say nothing; (nan, 0) when no group has two.
    """
    several = [values for values in groups if len(values) > 1]
    df = sum(len(values) - 1 for values in several)
    if not df:
        return math.nan, 0
    return sum((len(values) - 1) * variance(values) for values in several) / df, df
