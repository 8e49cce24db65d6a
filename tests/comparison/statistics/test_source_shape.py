"""Warnings of skewed, few and unequal sources: when they come, and when they must not."""

import numpy as np
import pytest
from scipy import stats

from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tempo.comparison.statistics.source_shape import few_sources, skewed_sources, skewness
from tests.comparison.simulate import World, at_most

PAIR = {"v1": 1.0, "v0": -1.0}


def warned(world: World, studies: int) -> tuple[float, float]:
    """Return how often a study is warned of skewness, and how often its interval covers."""
    warnings, covered = 0, 0
    for _ in range(studies):
        matrix = world.matrix()
        found = RandomEffects(matrix, "v0").contrast(PAIR)
        warnings += skewed_sources(matrix, found, "v1") is not None
        half = stats.t.ppf(0.975, found.parts.df) * found.parts.se
        covered += abs(found.value) <= half
    return warnings / studies, covered / studies


def test_skewness_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).lognormal(size=30)
    assert skewness(values) == pytest.approx(stats.skew(values))
    assert skewness(-values) == pytest.approx(-stats.skew(values))
    assert skewness(np.full(7, 0.1)) == 0


@pytest.mark.parametrize("sources", [5, 7, 9, 12, 20, 60])
def test_normal_sources_raise_false_alarms_in_five_percent_at_most(sources: int) -> None:
    world = World(
        seeds=3, clips=sources, clip_sd=1.0, seed_sd=0.01, residual_sd=0.01, stream=sources
    )
    share, _ = warned(world, 600)
    assert at_most(0.05, round(share * 600), 600)


def test_strongly_skewed_sources_are_noticed_where_intervals_fall_short() -> None:
    """30 sources whose differences are log-normal with little else."""
    skewed = {"clip_sd": 0.05, "seed_sd": 0.02, "residual_sd": 0.05, "skew": 0.5}
    share, covered = warned(World(seeds=5, clips=30, stream=3, **skewed), 400)
    assert covered < 0.92
    assert share > 0.7


@pytest.mark.parametrize(
    "world",
    [
        {"clips": 30, "clip_sd": 0.05, "seed_sd": 2.0, "skew": 0.5},
        {"clips": 400, "clip_sd": 0.3, "seed_sd": 0.1, "skew": 0.1},
    ],
    ids=["seed noise rules", "many sources"],
)
def test_skewness_that_does_not_matter_is_not_said(world: dict[str, float]) -> None:
    share, covered = warned(World(seeds=5, stream=4, **world), 120)
    assert covered > 0.92
    assert share < 0.06


def test_the_sentence_says_the_sources_the_skewness_and_the_coverage() -> None:
    values = np.zeros((6, 12))
    values[3:] = np.array([5.0, *np.linspace(-0.2, 0.2, 11)])
    values += np.random.default_rng(1).normal(size=(6, 12)) * 0.01
    keys = [(f"v{v}", s) for v in range(2) for s in range(3)]
    matrix = matrix_of(keys, values, [f"g{g}" for g in range(12)])
    said = skewed_sources(matrix, RandomEffects(matrix, "v0").contrast(PAIR), "V3")
    assert said is not None
    assert said.startswith("The differences of 12 sources are skewed (+3.0)")
    assert "interval of V3 may cover about" in said


def test_means_without_clips_have_no_shape() -> None:
    matrix = matrix_of([(f"v{v}", s) for v in range(2) for s in range(3)], np.arange(6.0), None)
    assert skewed_sources(matrix, RandomEffects(matrix).contrast(PAIR), "v1") is None
    assert few_sources(matrix) is None


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((10, 10, 10, 10), "come from 4 sources:"),
        ((10, 10, 10, 10, 10), None),
        ((30, 20, 10, 10, 2), "5 sources of unequal size, which count as 3.4"),
        ((180, 10, 10), "One of 3 sources holds 90% of the 200 clips"),
        ((60, *[5] * 12), "13 sources of unequal size, which count as 3.7"),
        ((61, *[5] * 12), "One of 13 sources holds 50% of the 121 clips"),
        ((20, *[10] * 12), None),
    ],
)
def test_few_and_unequal_sources(sizes: tuple[int, ...], said: str | None) -> None:
    found = few_sources(World(seeds=1, sizes=sizes).matrix())
    if said is None:
        assert found is None
    else:
        assert found is not None
        assert said in found
