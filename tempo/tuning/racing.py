"""Decide when a trial has lost before all its seeds ran."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from tempo.core.t_interval import pooled_variance

MIN_FREEDOM = 3
"""Degrees of freedom below which the spread between seeds is not trusted."""


def has_lost(
    values: Sequence[float], complete: Sequence[Sequence[float]], *, seeds: int, z: float
) -> bool:
    """Return whether the mean of the first few values is clearly worse than the best trial's.

    Args:
        values: the trial's values so far, larger is better.
        complete: the values of trials all of whose seeds ran.
        seeds: how many a trial has in all.
        z: how many standard errors apart is clear.

    The standard error is that of the difference of the two means, from the pooled standard
    deviation between seeds; with fewer than `MIN_FREEDOM` degrees of freedom nobody has lost.
    """
    variance, freedom = pooled_variance(complete)
    if not complete or freedom < MIN_FREEDOM:
        return False
    best = max(fmean(each) for each in complete)
    error = math.sqrt(variance) * math.sqrt(1 / len(values) + 1 / seeds)
    return best - fmean(values) > z * error


def rule(z: float | None, seeds: int) -> str:
    """Return the racing rule as a sentence."""
    if z is None or seeds < 2:
        return "Every trial runs all its seeds."
    return (
        f"A trial runs its first seed and goes on to the other {seeds - 1} unless its mean so far "
        f"is worse than the best trial's by more than {z:g} standard errors (standard deviation "
        f"between seeds pooled over the trials, from {MIN_FREEDOM} degrees of freedom on)."
    )
