"""Compute the noise floor of a study, and the difference that a number of seeds detects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import special

from tempo.comparison.statistics.quantities import Contrast, Noise, Power, TestSettings
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.student_t import satterthwaite
from tempo.comparison.statistics.variance_moderation import moderate
from tempo.core.t_interval import pooled_variance, two_sided_quantile

MIN_SEEDS = 3
"""Two seeds never settle anything: even a t interval then covers 88 % instead of 95 %."""
DRAWS = 4000
MOST_MODERATED = 8
"""The most contrasts that are drawn: more moderate a variance no further."""
NOISE_RANGE = 0.8
"""The share of the noises that the data allow between the ends of a stated range."""
ASKED = (3, 5, 10)
"""Numbers of seeds for which the report says what they would detect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedNoise:
    """Variances that a paired difference is expected to have.

    `seed`: variance between seeds of one pair's mean (seed and residual parts); `source`: variance
    of the mean from the draw of sources and clips; `both`: the part of `seed` that a single pair
    owes to the sources; `source_df`: sources minus one. `variants`: trained variants, whose
    contrasts moderate each other's seed variance (2: a single contrast). `seed_df`: degrees of
    freedom of `seed` itself where it is an estimate.
    """

    seed: float
    source: float = 0.0
    both: float = 0.0
    source_df: float = np.inf
    variants: int = 2
    seed_df: float = np.inf


def expected_noise(
    *,
    seed_sd: float,
    clip_sd: float = 0.0,
    residual_sd: float = 0.0,
    source_sd: float = 0.0,
    clips: int = 1,
    sources: int | None = None,
    variants: int = 2,
    seed_df: float = np.inf,
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
        seed_df=seed_df,
    )


class PowerFunction:
    """The power of a contrast's two-sided test with `seeds` pairs, as a function of the difference.

    Draws of the variance estimates come from a fixed stream, so it is deterministic; they are
    moderated as a study's are.
    """

    def __init__(self, noise: ExpectedNoise, seeds: int, alpha: float) -> None:
        contrasts = min(max(noise.variants - 1, 1), MOST_MODERATED)
        variance, df, chi_square = _draws(contrasts, seeds, noise.source_df)
        source = self._source(noise, seeds, chi_square)
        self._critical = _critical(
            noise.seed * variance / seeds,
            df,
            source,
            noise.source_df,
            noise.both / seeds,
            alpha,
        )
        self._sd = float(np.sqrt(noise.seed / seeds + noise.source))

    @staticmethod
    def _source(noise: ExpectedNoise, seeds: int, chi_square: np.ndarray | None) -> np.ndarray:
        expected = noise.source + noise.both / seeds
        if chi_square is None or expected == 0:
            return np.full(DRAWS, expected if noise.source else 0.0)
        return np.asarray(expected * chi_square / noise.source_df)

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


@lru_cache(maxsize=1)
def _draws(
    contrasts: int, seeds: int, source_df: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return draws of a contrast's moderated seed variance where that is 1, with their degrees of
    freedom, and of the variance between sources; None where that is known.

    One noise after the other is asked for with the same number of seeds, and moderation does the
    same to each: it goes by ratios of variances.
    """
    rng = np.random.default_rng(8)
    runs = rng.normal(size=(DRAWS, contrasts + 1, seeds)) * np.sqrt(0.5)
    found = moderate(runs[:, 1:] - runs[:, :1], first=1)
    between = rng.chisquare(source_df, DRAWS) if np.isfinite(source_df) else None
    return found.variance[:, 0], found.df[:, 0], between


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
    df = satterthwaite(seed, seed_df, source, source_df)
    return np.asarray(special.stdtrit(df, 1 - alpha / 2) * np.sqrt(variance))


def detectable(
    noise: ExpectedNoise, seeds: int, *, alpha: float = 0.05, power: float = 0.8
) -> float | None:
    """Return the smallest difference that `seeds` pairs detect with probability `power`.

    None below three seeds, which settle nothing.
    """
    return PowerFunction(noise, seeds, alpha).detectable(power) if seeds >= MIN_SEEDS else None


def detectable_range(
    noise: ExpectedNoise, seeds: int, *, alpha: float = 0.05, power: float = 0.8
) -> tuple[float, float] | None:
    """Return what the smallest and the largest noise that the data allow would detect.

    The ends of the middle 80 % of seed variances that are compatible with the estimate. None where
    the noise is known or nothing is detected.
    """
    if seeds < MIN_SEEDS or np.isinf(noise.seed_df):
        return None
    tail = (1 - NOISE_RANGE) / 2
    ends = [float(noise.seed_df / special.chdtri(noise.seed_df, each)) for each in (tail, 1 - tail)]
    low, high = (PowerFunction(_scaled(noise, end), seeds, alpha).detectable(power) for end in ends)
    return low, high


def _scaled(noise: ExpectedNoise, factor: float) -> ExpectedNoise:
    return replace(noise, seed=noise.seed * factor, both=noise.both * min(factor, 1.0))


def noise_floor(model: RandomEffects | None, baseline: str, settings: TestSettings) -> Noise:
    """Return how far apart two means of one variant fall by their seeds alone.

    From the variance over seeds within variants, which holds what the variants share of a seed:
    two trainings with other seeds differ by that as well, while a contrast, paired by seed, does
    not.
    """
    seeds = len(model.matrix.seeds_of(baseline)) if model else 0
    variance, df = _within_variants(model) if model else (0.0, 0.0)
    sd = floor = None
    said = "No noise floor: it takes two seeds of a variant to see one."
    if df:
        sd = math.sqrt(variance)
        floor = two_sided_quantile(settings.level, df) * sd * math.sqrt(2 / max(seeds, 1))
        said = (
            f"Trained twice, each time over {_count(seeds)} of its own, one variant's mean differs "
            f"by up to {settings.with_unit(floor)} ({settings.level:.0%} of the time, on these "
            "clips)."
        )
    return Noise(
        metric=settings.info.name,
        seed_sd=sd,
        seeds=seeds,
        df=df or None,
        floor=floor,
        sentence=said,
    )


def _within_variants(model: RandomEffects) -> tuple[float, float]:
    """Return the variance of a run's mean over seeds, and its degrees of freedom.

    Variants share a part of each seed, so that their variances are not independent: the mean of
    them is a sum of the mean squares of seeds and of the residual (two-way analysis of variance).
    """
    matrix = model.matrix
    groups = [matrix.means[matrix.rows(n, matrix.common_seeds([n]))] for n in model.trained_names]
    several = [group for group in groups if len(group) > 1]
    total, df = pooled_variance([[float(each) for each in group] for group in several])
    if not df:
        return 0.0, 0.0
    residual, residual_df = model.pooled_seed
    if not residual_df:
        return total, float(df)
    count = len(several)
    own = residual * (count - 1) / count
    shared = max(total - own, 0.0)
    shared_df = max(len(group) for group in several) - 1
    return total, float(satterthwaite(shared, shared_df, own, residual_df))


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
        seed_df=float(df),
    )


def _power(noise: ExpectedNoise, seeds: int, settings: TestSettings) -> Power:
    found = detectable(noise, seeds, alpha=settings.alpha, power=settings.power)
    ends = detectable_range(noise, seeds, alpha=settings.alpha, power=settings.power)
    if found is None:
        said = f"{_count(seeds)} detect no difference, however large: 3 are the fewest."
    else:
        said = (
            f"{_count(seeds)} detect a difference of {settings.with_unit(found)} or more with "
            f"{settings.power:.0%} probability (one contrast, two-sided {settings.alpha:.0%})"
        )
        if ends:
            said += (
                f"; between {settings.with_unit(ends[0])} and {settings.with_unit(ends[1])}, as "
                f"the noise itself is an estimate with {noise.seed_df:.0f} degrees of freedom"
            )
        said += "."
    return Power(
        metric=settings.info.name,
        seeds=seeds,
        detectable=found,
        low=ends[0] if ends else None,
        high=ends[1] if ends else None,
        power=settings.power,
        alpha=settings.alpha,
        sentence=said,
    )


def _count(seeds: int) -> str:
    return f"{seeds} seed" if seeds == 1 else f"{seeds} seeds"
