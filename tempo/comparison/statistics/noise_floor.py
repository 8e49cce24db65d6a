"""Compute the noise floor of a study, and the differences that its seeds can detect."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tempo.comparison.statistics.hypothesis_tests import TestSettings
from tempo.comparison.statistics.power import ExpectedNoise, detectable
from tempo.comparison.statistics.quantities import Contrast, Noise, Power
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.core.t_interval import two_sided_quantile

ASKED = (3, 5, 10)
"""Numbers of seeds for which the report says what they would detect."""


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
