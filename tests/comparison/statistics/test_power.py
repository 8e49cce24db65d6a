"""The noise floor comes true, and the range of what is detected is that of the noise's estimate."""

import math

import numpy as np
import pytest
from scipy import stats

from tempo.comparison.statistics.power import (
    ExpectedNoise,
    detectable,
    detectable_range,
    noise_floor,
)
from tempo.comparison.statistics.quantities import TestSettings
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tests.comparison.simulate import PSNR, World

SETTINGS = TestSettings(info=PSNR, delta=0.05, level=0.95, power=0.8)


@pytest.mark.parametrize(
    ("variants", "seeds", "seed_sd"), [(2, 3, 0.1), (5, 3, 0.1), (2, 6, 0.1), (5, 6, 0.5)]
)
def test_two_fresh_trainings_differ_by_the_noise_floor_in_95_percent(
    variants: int, seeds: int, seed_sd: float
) -> None:
    """Two further trainings of one variant, on the same clips; seeds move all variants alike."""
    world = World(
        variants=variants, seeds=3 * seeds, clips=12, seed_sd=seed_sd, residual_sd=0.1, stream=2
    )
    kept = [row for row, (_, seed) in enumerate(world.keys) if seed < seeds]
    keys, within, studies = [world.keys[row] for row in kept], 0, 1200
    for _ in range(studies):
        values = world.values()
        flat = values.reshape(len(world.keys), -1)[kept]
        floor = noise_floor(
            RandomEffects(matrix_of(keys, flat, world.names), "v0"), "v0", SETTINGS
        ).floor
        means = values[0].mean(axis=1)
        gap = means[seeds : 2 * seeds].mean() - means[2 * seeds :].mean()
        within += abs(gap) <= floor
    assert 0.93 <= within / studies <= 0.97


def test_one_seed_has_no_noise_floor() -> None:
    found = noise_floor(RandomEffects(World(seeds=1, clips=9).matrix(), "v0"), "v0", SETTINGS)
    assert found.floor is None
    assert "takes two seeds" in found.sentence


@pytest.mark.parametrize("df", [2, 4, 20])
def test_the_range_is_that_of_the_variances_the_data_allow(df: int) -> None:
    """Without clip noise what is detected is in proportion to the seed noise."""
    noise = ExpectedNoise(seed=0.04, variants=2, seed_df=df)
    value, ends = detectable(noise, 5), detectable_range(noise, 5)
    expected = [value * math.sqrt(df / stats.chi2.ppf(tail, df)) for tail in (0.9, 0.1)]
    assert ends == pytest.approx(expected, rel=1e-3)
    assert ends[0] < value < ends[1]


def test_the_range_holds_the_truth_in_eighty_of_a_hundred_studies() -> None:
    true = ExpectedNoise(seed=0.04, source=0.002, both=0.001, source_df=30, variants=3)
    value = detectable(true, 5)
    rng, hits, studies = np.random.default_rng(4), 0, 50
    for _ in range(studies):
        estimate = 0.04 * rng.chisquare(6) / 6
        noise = ExpectedNoise(
            seed=estimate, source=0.002, both=0.001, source_df=30, variants=3, seed_df=6
        )
        low, high = detectable_range(noise, 5)
        hits += low <= value <= high
    assert stats.binom.cdf(hits, studies, 0.8) > 0.01
    assert stats.binom.sf(hits - 1, studies, 0.8) > 0.01


def test_known_noise_has_no_range_and_two_seeds_detect_nothing() -> None:
    assert detectable_range(ExpectedNoise(seed=0.04), 5) is None
    assert detectable_range(ExpectedNoise(seed=0.04, seed_df=4), 2) is None
    assert detectable(ExpectedNoise(seed=0.04), 2) is None
