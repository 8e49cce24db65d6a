"""What intervals, verdicts and power promise, on data drawn from the model."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tempo.comparison.statistics import predictive_chance
from tempo.comparison.statistics.power import PowerFunction, detectable, expected_noise
from tempo.comparison.statistics.quantities import Word
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.core.t_interval import two_sided_quantile
from tests.comparison.simulate import World, at_most, coverage, look_at_studies, zipf

PAIR = {"v1": 1.0, "v0": -1.0}
LOW, HIGH = 0.935, 0.97
NOISY = {"clips": 20, "clip_sd": 0.2, "seed_sd": 0.3}
SEED_NOISE = {"seed_sd": 0.1, "clip_sd": 0.05, "residual_sd": 0.1, "clips": 10}
CLIP_NOISE = {
    "seed_sd": 0.02,
    "clip_sd": 0.2,
    "residual_sd": 0.1,
    "clips": 40,
    "sources": 10,
    "source_sd": 0.05,
}


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
def test_nominal_95_percent_intervals_cover_93_to_97(seeds: int, world: dict[str, Any]) -> None:
    rate, _ = coverage(World(seeds=seeds, stream=11, **world), 700)
    assert not rate.outside(LOW, HIGH)


@pytest.mark.parametrize(
    "world",
    [
        {"seeds": 10, "clips": 30, "sources": 3, "source_sd": 0.3},
        {"seeds": 20, "clips": 50, "sources": 5, "source_sd": 0.3},
        {"seeds": 5, "sizes": (60, *[5] * 12), "source_sd": 0.3},
        {"seeds": 3, "sizes": zipf(20, 200), "source_sd": 0.5},
        {"seeds": 3, "variants": 5, "spread": (3, 1, 1, 1, 1), **NOISY},
        {"seeds": 3, "variants": 10, "spread": (3, *[1] * 9), **NOISY},
        {"seeds": 5, "variants": 4, "clips": 40, "failed": 0.25},
        {"seeds": 3, "variants": 3, "clips": 40, "tails": 3.0, "seed_sd": 0.2},
        {"seeds": 12, "variants": 4, "clips": 60, "seed_sd": 0.01, "residual_sd": 0.8},
    ],
    ids=[
        "3 sources",
        "5 sources",
        "half of the clips in one source",
        "Zipf sizes",
        "noisy baseline",
        "noisy baseline of ten",
        "failed runs",
        "heavy tails",
        "residuals rule",
    ],
)
def test_intervals_cover_where_nobody_tuned_for_it(world: dict[str, Any]) -> None:
    rate, _ = coverage(World(stream=12, **world), 500)
    assert not rate.outside(LOW, HIGH)


@pytest.mark.slow
@pytest.mark.parametrize("variants", [2, 6])
@pytest.mark.parametrize("noise", [SEED_NOISE, CLIP_NOISE], ids=["seed noise", "clip noise"])
def test_looks_at_every_seed_make_at_most_five_percent_wrong(
    noise: dict[str, Any], variants: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the objects that compare runs with (the chance of open cases decides nothing)."""
    monkeypatch.setattr(predictive_chance, "DRAWS", 2)
    for shift, wrong in ((0.0, {Word.BETTER, Word.WORSE}), (0.15, {Word.EQUIVALENT})):
        effects = (0.0, *(shift if v % 2 else -shift for v in range(variants - 1)))
        world = World(variants=variants, seeds=12, effects=effects, stream=13, **noise)
        studies = list(look_at_studies(world, range(3, 13), 200, 0.15))
        assert at_most(0.05, sum(bool(wrong & set(each.words.values())) for each in studies), 200)
        missed = sum(each.missed["v1"] for each in studies)
        assert at_most(0.06, missed, 200)


def verdicts(world: World, studies: int, delta: float) -> Iterator[list[Word]]:
    """Yield the words of studies of one look."""
    for each in look_at_studies(world, (world.shape[1],), studies, delta):
        yield list(each.words.values())


@pytest.mark.parametrize("seeds", [3, 5])
def test_no_effect_is_called_an_effect_in_one_study_of_twenty_at_most(seeds: int) -> None:
    world = World(variants=6, seeds=seeds, clips=60, stream=21)
    wrong = sum(
        bool({Word.BETTER, Word.WORSE} & set(words)) for words in verdicts(world, 500, 0.05)
    )
    assert at_most(0.05, wrong, 500)


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
    wrong = sum(Word.EQUIVALENT in words for words in verdicts(world, 500, 0.1))
    assert at_most(0.05, wrong, 500)


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
    rate, _ = coverage(world, 1000, only="v1")
    assert not rate.outside(0.90, HIGH)


@pytest.mark.parametrize(("seeds", "variants"), [(3, 2), (3, 5), (5, 5)])
def test_the_power_statement_is_right_within_two_hundredths_of_a_decibel(
    seeds: int, variants: int
) -> None:
    noise = {"seed_sd": 0.1, "clip_sd": 0.5, "residual_sd": 0.3, "clips": 200}
    plan = expected_noise(**noise, variants=variants)
    stated = detectable(plan, seeds, alpha=0.05, power=0.8)
    assert stated is not None
    world = World(variants=variants, seeds=seeds, stream=31, **noise)
    found = [RandomEffects(world.matrix(), "v0").contrast(PAIR) for _ in range(1500)]
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
