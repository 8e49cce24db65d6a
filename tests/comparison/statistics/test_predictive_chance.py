"""The chance to become decided: laws, and whether it comes true."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempo.comparison.statistics.group_sequential import Looks
from tempo.comparison.statistics.hypothesis_tests import run_test
from tempo.comparison.statistics.predictive_chance import (
    OpenContrasts,
    chance_to_decide,
    chances,
)
from tempo.comparison.statistics.quantities import TestSettings
from tempo.comparison.statistics.random_effects import RandomEffects
from tests.comparison.simulate import PSNR, World

PAIR = {"v1": 1.0, "v0": -1.0}


def one(value: float, pair: float = 0.01, df: float = 3, source: float = 0.0) -> OpenContrasts:
    return OpenContrasts(np.array(value), np.array(pair), np.array(df), np.array(source), 9.0)


def mean_chance(contrast: OpenContrasts, looks: Looks, delta: float | None = None) -> float:
    found = chances(contrast, looks, np.array(0.05), delta, 4000, np.random.default_rng(1))
    assert ((found >= 0) & (found <= 1)).all()
    return float(found.mean())


@settings(max_examples=30, deadline=None)
@given(
    st.floats(-1, 1), st.floats(1e-6, 1), st.integers(2, 30), st.floats(0, 0.1),
    st.sampled_from([None, 0.05, 0.5]),
)  # fmt: skip
def test_a_chance_lies_between_zero_and_one_and_has_no_sign(
    value: float, pair: float, df: int, source: float, delta: float | None
) -> None:
    looks = Looks(now=4, planned=9, past=(3,))
    there = mean_chance(one(value, pair, df, source), looks, delta)
    back = mean_chance(one(-value, pair, df, source), looks, delta)
    assert back == pytest.approx(there, abs=0.06)


def test_a_larger_difference_and_a_wider_margin_have_more_chance() -> None:
    looks = Looks(now=4, planned=9, past=(3,))
    by_value = [mean_chance(one(value), looks) for value in (0.0, 0.05, 0.1, 0.3)]
    assert by_value == sorted(by_value)
    assert by_value[0] < 0.15
    assert by_value[-1] > 0.9
    by_margin = [mean_chance(one(0.0), looks, delta) for delta in (None, 0.05, 0.2, 1.0)]
    assert by_margin == sorted(by_margin)
    assert by_margin[-1] > 0.9


def test_what_the_clips_leave_open_no_seed_decides() -> None:
    looks = Looks(now=4, planned=9, past=(3,))
    assert mean_chance(one(0.1, pair=1e-6, source=1.0), looks) < 0.01


def test_the_range_is_ordered_and_names_the_last_look() -> None:
    model = RandomEffects(World(variants=4, seeds=4, effects=(0, 0.1, 0, 0)).matrix(), "v0")
    chance = chance_to_decide(model.contrast(PAIR), Looks(now=4, planned=10), 0.05, 0.05)
    assert chance.seeds == 10
    assert 0 <= chance.low <= chance.high <= 1
    assert chance.low < chance.mean < chance.high


def test_at_the_last_look_nothing_is_to_come() -> None:
    model = RandomEffects(World(variants=2, seeds=4).matrix(), "v0")
    assert chance_to_decide(model.contrast(PAIR), Looks(now=4, planned=4), 0.05, None) is None


@pytest.mark.parametrize(
    ("variants", "clip_sd", "delta"),
    [(2, 0.05, None), (5, 0.05, None), (2, 0.3, None), (2, 0.05, 0.15), (5, 0.05, 0.15)],
)
def test_the_chance_comes_true_within_five_points(
    variants: int, clip_sd: float, delta: float | None
) -> None:
    """True differences from far below to far above what is detected; the remaining seeds drawn.

    With a margin in decibels the size of the noise is drawn too.
    """
    world = World(variants=variants, seeds=9, clips=40, clip_sd=clip_sd, residual_sd=0.1, stream=5)
    rng = np.random.default_rng(3)
    rule = TestSettings(info=PSNR, delta=delta, level=0.95, power=0.8)
    first, last = Looks(now=4, planned=9), Looks(now=9, planned=9, past=(4,))
    seed_sd, reach = world.sds[0], 0.4 if delta is None else 0.8
    stated, decided = [], []
    for _ in range(500):
        world.effects = np.array([0.0, *rng.uniform(-reach, reach, variants - 1)])
        if delta is not None:
            world.sds[0] = seed_sd * np.exp(rng.uniform(-1.5, 1.5))
        early, late = (RandomEffects(each, "v0") for each in world.matrices((4, 9)))
        stated.append(chance_to_decide(early.contrast(PAIR), first, 0.05, delta).mean)
        found = run_test(late, late.contrast(PAIR), rule, looks=last)
        equal = found.p_equal is not None and last.sequential_p_one_sided(found.p_equal) <= 0.05
        decided.append(bool(equal or last.sequential_p(found.p) <= 0.05))
    said, done = np.array(stated), np.array(decided)
    assert abs(said.mean() - done.mean()) < 0.05
    for low, high in ((0, 0.33), (0.33, 0.67), (0.67, 1.01)):
        part = (said >= low) & (said < high)
        error = 2.3 * np.sqrt((said[part] * (1 - said[part])).mean() / part.sum())
        assert abs(said[part].mean() - done[part].mean()) < 0.05 + error
