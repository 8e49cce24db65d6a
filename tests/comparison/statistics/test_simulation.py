"""What intervals, verdicts and power promise, on data drawn from the model."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import binom

from tempo.comparison.statistics.hypothesis_tests import holm_family, run_test
from tempo.comparison.statistics.power import PowerFunction, detectable, expected_noise
from tempo.comparison.statistics.quantities import TestSettings, Word
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.core.records import MetricInfo
from tempo.core.t_interval import two_sided_quantile
from tests.comparison.simulate import World

PSNR = MetricInfo(name="psnr", unit="dB", better="higher", digits=2, definition="")
PAIR = {"v1": 1.0, "v0": -1.0}


def coverage(world: World, draws: int) -> float:
    hits = 0
    for _ in range(draws):
        found = RandomEffects(world.matrix(), "v0").contrast(PAIR)
        hits += abs(found.value) <= two_sided_quantile(0.95, found.parts.df) * found.parts.se
    return hits / draws


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(
    "world",
    [
        {},
        {"variants": 5},
        {"seed_sd": 0.3},
        {"seed_sd": 0.03},
        {"clips": 120, "sources": 8, "source_sd": 0.3},
    ],
    ids=["pair", "five variants", "seeds rule", "clips rule", "eight sources"],
)
def test_nominal_95_percent_intervals_cover_93_to_97(seeds: int, world: dict[str, float]) -> None:
    assert 0.93 <= coverage(World(seeds=seeds, stream=11, **world), 2500) <= 0.97


def verdicts(world: World, studies: int, delta: float) -> Iterator[list[Word]]:
    settings = TestSettings(info=PSNR, delta=delta, level=0.95, power=0.8)
    names = [f"v{v}" for v in range(1, world.shape[0])]
    for _ in range(studies):
        model = RandomEffects(world.matrix(), "v0")
        tested = {}
        for name in names:
            tested[name] = run_test(model, model.contrast({name: 1.0, "v0": -1.0}), settings)
        yield [each.verdict.word for each in holm_family(tested, settings).values()]


def at_most(share: float, hits: int, draws: int) -> bool:
    """Whether so many hits are compatible with a rate of at most `share` (one-sided 1 %)."""
    return binom.sf(hits - 1, draws, share) > 0.01


@pytest.mark.parametrize("seeds", [3, 5])
def test_no_effect_is_called_an_effect_in_one_study_of_twenty_at_most(seeds: int) -> None:
    world = World(variants=6, seeds=seeds, clips=60, stream=21)
    wrong = sum(
        bool({Word.BETTER, Word.WORSE} & set(words)) for words in verdicts(world, 600, 0.05)
    )
    assert at_most(0.05, wrong, 600)


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_difference_of_delta_is_called_equivalent_in_one_study_of_twenty_at_most(
    seeds: int,
) -> None:
    world = World(
        variants=4,
        seeds=seeds,
        clips=60,
        seed_sd=0.03,
        clip_sd=0.1,
        residual_sd=0.1,
        effects=(0.0, 0.1, -0.1, 0.1),
        stream=22,
    )
    wrong = sum(Word.EQUIVALENT in words for words in verdicts(world, 600, 0.1))
    assert at_most(0.05, wrong, 600)


def test_small_differences_are_found_equivalent_and_large_ones_better() -> None:
    world = World(variants=3, seeds=5, clip_sd=0.1, seed_sd=0.02, effects=(0.0, 0.0, 0.5))
    words = list(verdicts(world, 60, 0.1))
    assert sum(each[0] == Word.EQUIVALENT for each in words) > 50
    assert all(each[1] == Word.BETTER for each in words)


def test_two_seeds_are_always_inconclusive() -> None:
    world = World(variants=3, seeds=2, seed_sd=0.001, effects=(0.0, 5.0, 0.0))
    for words in verdicts(world, 20, 0.5):
        assert words == [Word.INCONCLUSIVE] * 2


def test_a_noisy_variant_does_not_ruin_its_interval() -> None:
    world = World(variants=5, seeds=5, spread=(1, 3, 1, 1, 1), stream=9)
    assert coverage(world, 1500) >= 0.90


@pytest.mark.parametrize(("seeds", "variants"), [(3, 2), (3, 5), (5, 5)])
def test_the_power_statement_is_right_within_two_hundredths_of_a_decibel(
    seeds: int, variants: int
) -> None:
    noise = {"seed_sd": 0.1, "clip_sd": 0.5, "residual_sd": 0.3, "clips": 200}
    plan = expected_noise(**noise, variants=variants)
    stated = detectable(plan, seeds, alpha=0.05, power=0.8)
    assert stated is not None
    world = World(variants=variants, seeds=seeds, stream=31, **noise)
    found = [RandomEffects(world.matrix(), "v0").contrast(PAIR) for _ in range(2500)]
    values = np.array([each.value for each in found])
    halves = np.array([two_sided_quantile(0.95, each.parts.df) * each.parts.se for each in found])

    def power(difference: float) -> float:
        return float((np.abs(values + difference) > halves).mean())

    assert power(stated - 0.02) < 0.8 < power(stated + 0.02)
    assert PowerFunction(plan, seeds, 0.05).power(stated) == pytest.approx(0.8, abs=1e-6)


def test_power_grows_with_seeds_and_two_detect_nothing() -> None:
    plan = expected_noise(seed_sd=0.1, clip_sd=0.2, residual_sd=0.3, clips=100)
    stated = [detectable(plan, seeds) for seeds in (2, 3, 5, 10)]
    assert stated[0] is None
    assert stated[1] > stated[2] > stated[3]
