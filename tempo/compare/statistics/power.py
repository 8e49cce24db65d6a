"""Which difference a study can detect, and how many seeds a difference needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from tempo.compare.statistics.random_effects import POOLING_LEVEL
from tempo.compare.statistics.student_t import SHARE_CONFIDENCE
from tempo.compare.statistics.verdict import MIN_SEEDS

DRAWS = 8000
MOST_SEEDS = 1000
TRIED = np.unique(np.r_[MIN_SEEDS:60, np.geomspace(60, MOST_SEEDS, 40).round()])
"""Numbers of seeds that are tried: each of the small ones, then steps of 7 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the noise of a paired difference is expected to be.

    `seed`: variance between seeds of one pair's mean (seed and residual parts); `source`: variance
    of the mean from the draw of sources and clips; `both`: the part of `seed` that a single pair
    owes to the sources; `source_df`: effective sources minus one. `variants`: trained variants
    that share a seed variance (2: nothing to pool with).
    """

    seed: float
    source: float = 0.0
    both: float = 0.0
    source_df: float = np.inf
    variants: int = 2


def planned(
    *,
    seed_sd: float,
    clip_sd: float = 0.0,
    residual_sd: float = 0.0,
    source_sd: float = 0.0,
    clips: int = 1,
    sources: int | None = None,
    variants: int = 2,
) -> Plan:
    """The plan from standard deviations of a paired difference (see `Components`).

    `sources`: number of source videos of equal size; None: every clip is its own source.
    """
    groups = sources or clips
    clip_part = source_sd**2 / groups + clip_sd**2 / clips
    both = residual_sd**2 / clips
    return Plan(
        seed=seed_sd**2 + both,
        source=clip_part,
        both=both,
        source_df=max(groups - 1, 1) if clips > 1 else np.inf,
        variants=variants,
    )


class Detection:
    """The power of the two-sided test of a contrast with `seeds` pairs, as a function of the
    difference. Draws of the variance estimates come from a fixed stream, so it is deterministic;
    the rule that decides on pooling is part of it.
    """

    def __init__(self, plan: Plan, seeds: int, alpha: float) -> None:
        rng = np.random.default_rng(8)
        own_df, rest_df = seeds - 1, (plan.variants - 2) * (seeds - 1)
        own = rng.chisquare(own_df, DRAWS) / own_df
        estimate, df = own, np.full(DRAWS, float(own_df))
        if rest_df:
            rest = rng.chisquare(rest_df, DRAWS) / rest_df
            pooled = (own * own_df + rest * rest_df) / (own_df + rest_df)
            pool = special.fdtrc(own_df, rest_df, own / rest) >= POOLING_LEVEL
            estimate = np.where(pool, pooled, own)
            df = np.where(pool, own_df + rest_df, own_df)
        seed = estimate * plan.seed / seeds
        source = self._source(plan, seeds, rng)
        self._critical = _critical(seed, df, source, plan.source_df, plan.both / seeds, alpha)
        self._sd = float(np.sqrt(plan.seed / seeds + plan.source))

    @staticmethod
    def _source(plan: Plan, seeds: int, rng: np.random.Generator) -> np.ndarray:
        expected = plan.source + plan.both / seeds
        if not np.isfinite(plan.source_df) or expected == 0:
            return np.full(DRAWS, expected if plan.source else 0.0)
        return np.asarray(expected * rng.chisquare(plan.source_df, DRAWS) / plan.source_df)

    def power(self, difference: float) -> float:
        """The chance of a significant result when the truth is `difference`."""
        if self._sd == 0:
            return 1.0 if difference else 0.0
        upper = special.ndtr((difference - self._critical) / self._sd)
        lower = special.ndtr((-difference - self._critical) / self._sd)
        return float((upper + lower).mean())

    def detectable(self, power: float) -> float:
        """The difference that is detected with probability `power`."""
        low, high = 0.0, max(self._sd, 1e-12)
        while self.power(high) < power:
            high *= 2
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (low, middle) if self.power(middle) >= power else (middle, high)
        return high


def _critical(
    seed: np.ndarray,
    seed_df: np.ndarray,
    source: np.ndarray,
    source_df: float,
    both: float,
    alpha: float,
) -> np.ndarray:
    """The absolute difference from which on each draw is significant (as in `student`)."""
    variance = seed + source - np.minimum(both, np.minimum(seed, source))
    a = seed * seed_df / special.chdtri(seed_df, SHARE_CONFIDENCE)
    known = np.isinf(source_df)
    b = source * (1.0 if known else source_df / special.chdtri(source_df, SHARE_CONFIDENCE))
    df = (a + b) ** 2 / (a**2 / seed_df + (0.0 if known else b**2 / source_df))
    return np.asarray(special.stdtrit(df, 1 - alpha / 2) * np.sqrt(variance))


def detectable(plan: Plan, seeds: int, *, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest difference that `seeds` pairs detect with probability `power`.

    None below three seeds, which settle nothing.
    """
    return Detection(plan, seeds, alpha).detectable(power) if seeds >= MIN_SEEDS else None


def seeds_needed(
    plan: Plan, value: float, *, delta: float | None, alpha: float, power: float
) -> int | None:
    """About how many seeds settle a contrast whose true difference is `value`.

    The fewest, from 3 on, with which it is called different, or equivalent within `delta`, with
    probability `power`; None when even `MOST_SEEDS` would not (the clips are what is short).
    """
    seeds = TRIED
    se = np.sqrt(plan.seed / seeds + plan.source)
    df = (seeds - 1) * (plan.variants - 1)
    if np.isfinite(plan.source_df) and plan.source > 0:
        df = se**4 / ((plan.seed / seeds) ** 2 / df + plan.source**2 / plan.source_df)
    margin = special.stdtrit(df, power) * se
    settled = abs(value) >= special.stdtrit(df, 1 - alpha / 2) * se + margin
    if delta is not None:
        settled |= delta - abs(value) >= special.stdtrit(df, 1 - alpha) * se + margin
    return int(seeds[np.argmax(settled)]) if settled.any() else None
