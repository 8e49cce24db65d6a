"""Compute the noise floor, the difference that a study detects, and the seeds that one needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from tempo.comparison.statistics.quantities import Contrast, Noise, Power, TestSettings
from tempo.comparison.statistics.random_effects import POOLING_LEVEL, RandomEffects
from tempo.comparison.statistics.student_t import SHARE_CONFIDENCE
from tempo.core.t_interval import two_sided_quantile

MIN_SEEDS = 3
"""Two seeds never settle anything: even a t interval then covers 88 % instead of 95 %."""
DRAWS = 8000
MOST_SEEDS = 1000
TRIED = np.unique(np.r_[MIN_SEEDS:60, np.geomspace(60, MOST_SEEDS, 40).round()])
"""Numbers of seeds that are tried: each of the small ones, then steps of 7 %."""
ASKED = (3, 5, 10)
"""Numbers of seeds for which the report says what they would detect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedNoise:
    """Variances that a paired difference is expected to have.

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


def expected_noise(
    *,
    seed_sd: float,
    clip_sd: float = 0.0,
    residual_sd: float = 0.0,
    source_sd: float = 0.0,
    clips: int = 1,
    sources: int | None = None,
    variants: int = 2,
) -> ExpectedNoise:
    """Return the noise that standard deviations of a paired difference mean (see `Components`).

    `sources`: number of source videos of equal size; None: every clip is its own source.
    """
    groups = sources or clips
    clip_part = source_sd**2 / groups + clip_sd**2 / clips
    both = residual_sd**2 / clips
    return ExpectedNoise(
        seed=seed_sd**2 + both,
        source=clip_part,
        both=both,
        source_df=max(groups - 1, 1) if clips > 1 else np.inf,
        variants=variants,
    )


class PowerFunction:
    """The power of a contrast's two-sided test with `seeds` pairs, as a function of the difference.

    Draws of the variance estimates come from a fixed stream, so it is deterministic; the rule that
    decides on pooling is part of it.
    """

    def __init__(self, noise: ExpectedNoise, seeds: int, alpha: float) -> None:
        rng = np.random.default_rng(8)
        own_df, rest_df = seeds - 1, (noise.variants - 2) * (seeds - 1)
        own = rng.chisquare(own_df, DRAWS) / own_df
        estimate, df = own, np.full(DRAWS, float(own_df))
        if rest_df:
            rest = rng.chisquare(rest_df, DRAWS) / rest_df
            pooled = (own * own_df + rest * rest_df) / (own_df + rest_df)
            pool = special.fdtrc(own_df, rest_df, own / rest) >= POOLING_LEVEL
            estimate = np.where(pool, pooled, own)
            df = np.where(pool, own_df + rest_df, own_df)
        seed = estimate * noise.seed / seeds
        source = self._source(noise, seeds, rng)
        self._critical = _critical(seed, df, source, noise.source_df, noise.both / seeds, alpha)
        self._sd = float(np.sqrt(noise.seed / seeds + noise.source))

    @staticmethod
    def _source(noise: ExpectedNoise, seeds: int, rng: np.random.Generator) -> np.ndarray:
        expected = noise.source + noise.both / seeds
        if not np.isfinite(noise.source_df) or expected == 0:
            return np.full(DRAWS, expected if noise.source else 0.0)
        return np.asarray(expected * rng.chisquare(noise.source_df, DRAWS) / noise.source_df)

    def power(self, difference: float) -> float:
        """Return the chance of a significant result when the true difference is `difference`."""
        if self._sd == 0:
            return 1.0 if difference else 0.0
        upper = special.ndtr((difference - self._critical) / self._sd)
        lower = special.ndtr((-difference - self._critical) / self._sd)
        return float((upper + lower).mean())

    def detectable(self, power: float) -> float:
        """Return the difference that is detected with probability `power`."""
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
    """Return each draw's smallest absolute difference that is significant (see `student_t`)."""
    variance = seed + source - np.minimum(both, np.minimum(seed, source))
    a = seed * seed_df / special.chdtri(seed_df, SHARE_CONFIDENCE)
    known = np.isinf(source_df)
    b = source * (1.0 if known else source_df / special.chdtri(source_df, SHARE_CONFIDENCE))
    df = (a + b) ** 2 / (a**2 / seed_df + (0.0 if known else b**2 / source_df))
    return np.asarray(special.stdtrit(df, 1 - alpha / 2) * np.sqrt(variance))


def detectable(
    noise: ExpectedNoise, seeds: int, *, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Return the smallest difference that `seeds` pairs detect with probability `power`.

    None below three seeds, which settle nothing.
    """
    return PowerFunction(noise, seeds, alpha).detectable(power) if seeds >= MIN_SEEDS else None


def seeds_needed(
    noise: ExpectedNoise, value: float, *, delta: float | None, alpha: float, power: float
) -> int | None:
    """Return about how many seeds settle a contrast whose true difference is `value`.

    The fewest, from 3 on, with which the contrast is called different, or equivalent within
    `delta`, with probability `power`; None when even `MOST_SEEDS` would not (the clips are what is
    short).
    """
    seeds = TRIED
    se = np.sqrt(noise.seed / seeds + noise.source)
    df = (seeds - 1) * (noise.variants - 1)
    if np.isfinite(noise.source_df) and noise.source > 0:
        df = se**4 / ((noise.seed / seeds) ** 2 / df + noise.source**2 / noise.source_df)
    margin = special.stdtrit(df, power) * se
    settled = abs(value) >= special.stdtrit(df, 1 - alpha / 2) * se + margin
    if delta is not None:
        settled |= delta - abs(value) >= special.stdtrit(df, 1 - alpha) * se + margin
    return int(seeds[np.argmax(settled)]) if settled.any() else None


def noise_floor(model: RandomEffects | None, baseline: str, settings: TestSettings) -> Noise:
    """Return how far apart two means of one variant fall by seed alone, with the seeds there are.

    From the seed variance that all trained variants share; with one variant, from its own.
    """
    seeds = len(model.matrix.seeds_of(baseline)) if model else 0
    variance, df, pooled = _seed_variance(model, baseline)
    sd = floor = None
    said = "No noise floor: it takes two seeds of a variant to see one."
    if df:
        sd = math.sqrt(variance)
        floor = two_sided_quantile(settings.level, df) * sd * math.sqrt(2 / max(seeds, 1))
        said = (
            f"Two means of the same variant over {_count(seeds)} differ by up to "
            f"{settings.with_unit(floor)} by seed alone ({settings.level:.0%} of the time): "
            "a smaller gain is noise."
        )
    return Noise(
        metric=settings.info.name,
        seed_sd=sd,
        seeds=seeds,
        df=df or None,
        floor=floor,
        pooled=pooled,
        sentence=said,
    )


def _seed_variance(model: RandomEffects | None, baseline: str) -> tuple[float, int, bool]:
    if model is None:
        return 0.0, 0, False
    variance, df = model.pooled_seed
    if df:
        return variance, df, True
    matrix = model.matrix
    means = matrix.means[matrix.rows(baseline, matrix.common_seeds([baseline]))]
    if len(means) < 2:
        return 0.0, 0, False
    return float(np.var(means, ddof=1)), len(means) - 1, False


def detectable_differences(
    model: RandomEffects | None, contrasts: Sequence[Contrast], settings: TestSettings, seeds: int
) -> tuple[Power, ...]:
    """Return what `seeds` and other numbers of seeds detect in a typical contrast of this study."""
    noise = _typical_noise(model, contrasts)
    if noise is None:
        return ()
    asked = sorted({*ASKED, *([seeds] if seeds else [])})
    return tuple(_power(noise, each, settings) for each in asked)


def _typical_noise(
    model: RandomEffects | None, contrasts: Sequence[Contrast]
) -> ExpectedNoise | None:
    """Return the noise of the study's median trained contrast; None when nothing was measured."""
    if model is None:
        return None
    found = [each for each in contrasts if each.components and each.components.seed is not None]
    variance, df = model.pooled_seed
    if not found or not df:
        return None
    sources = [model.contrast({each.variant: 1.0, each.baseline: -1.0}) for each in found]
    spread = [max(s.parts.source - s.parts.both, 0.0) for s in sources if s is not None]
    return ExpectedNoise(
        seed=2 * variance,
        source=float(np.median(spread)),
        both=2 * model.pooled_both,
        source_df=model.matrix.source_df if model.matrix.samples_clips else math.inf,
        variants=model.variants,
    )


def _power(noise: ExpectedNoise, seeds: int, settings: TestSettings) -> Power:
    found = detectable(noise, seeds, alpha=settings.alpha, power=settings.power)
    if found is None:
        said = f"{_count(seeds)} detect no difference, however large: 3 are the fewest."
    else:
        said = (
            f"{_count(seeds)} detect a difference of {settings.with_unit(found)} or more with "
            f"{settings.power:.0%} probability (one contrast, two-sided {settings.alpha:.0%})."
        )
    return Power(
        metric=settings.info.name,
        seeds=seeds,
        detectable=found,
        power=settings.power,
        alpha=settings.alpha,
        sentence=said,
    )


def _count(seeds: int) -> str:
    return f"{seeds} seed" if seeds == 1 else f"{seeds} seeds"
