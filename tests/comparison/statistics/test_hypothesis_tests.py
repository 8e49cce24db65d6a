"""Families of hypotheses: Holm with decisions that stand, and intervals that agree with words."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempo.comparison.statistics import student_t
from tempo.comparison.statistics.group_sequential import Looks
from tempo.comparison.statistics.hypothesis_tests import TestResult, holm_family, run_test
from tempo.comparison.statistics.quantities import (
    Components,
    Decision,
    Interval,
    TestSettings,
    Verdict,
    Word,
)
from tempo.comparison.statistics.random_effects import Combination, RandomEffects
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tempo.comparison.statistics.student_t import VarianceParts
from tests.comparison.simulate import PSNR, World

PLAIN = TestSettings(info=PSNR, delta=None, level=0.95, power=0.8)
WITHIN = TestSettings(info=PSNR, delta=0.1, level=0.95, power=0.8)
CALLED = {Word.BETTER, Word.WORSE}


def result(
    value: float, se: float = 0.1, seeds: int = 8, looks: Looks | None = None, delta: float = 0.1
) -> TestResult:
    df = seeds - 1
    per_seed = tuple(value + se * each for each in np.linspace(-1, 1, seeds))
    components = Components(seed=se, source=None, clip=None, residual=None, test="own")
    parts = VarianceParts(seed=se**2, seed_df=df)
    combination = Combination(value, parts, lambda: components, tuple(range(seeds)), per_seed, None)
    return TestResult(
        combination=combination,
        interval=Interval.of_t(value, se, df, level=0.95, method="t"),
        seeds=seeds,
        looks=looks or Looks(now=seeds, planned=seeds),
        p=student_t.two_sided(value, se, df),
        p_equal=student_t.equivalence(value, se, df, delta),
    )


def with_p(p: float) -> TestResult:
    from scipy import special

    return result(float(-special.stdtrit(7, p / 2)) * 0.1)


def decision(word: Word, value: float = 0.4) -> Decision:
    return Decision(word=word, seeds=4, value=value, low=value - 0.1, high=value + 0.1,
                    p_adjusted=0.01)  # fmt: skip


def test_holm_multiplies_by_the_hypotheses_left() -> None:
    found = holm_family({"a": with_p(0.012), "b": with_p(0.03), "c": with_p(0.6)}, PLAIN)
    assert [found[key].p_adjusted for key in "abc"] == pytest.approx([0.036, 0.06, 0.6])
    assert [found[key].verdict.word for key in "abc"] == [
        Word.BETTER,
        Word.INCONCLUSIVE,
        Word.INCONCLUSIVE,
    ]


def test_what_is_settled_leaves_its_share_to_the_others() -> None:
    tested = {"a": with_p(0.02), "b": with_p(0.04), "c": with_p(0.9)}
    alone = holm_family(tested, PLAIN)
    assert alone["a"].verdict.word is Word.INCONCLUSIVE
    after = holm_family(tested, PLAIN, {"c": decision(Word.BETTER)})
    assert after["a"].p_adjusted == pytest.approx(0.04)
    assert after["a"].verdict.word is Word.BETTER
    assert after["b"].verdict.word is Word.BETTER


def test_a_decision_stands_with_its_own_interval_whatever_comes_later() -> None:
    standing = decision(Word.BETTER)
    found = holm_family({"a": result(-5.0)}, PLAIN, {"a": standing})["a"]
    assert found.verdict.word is Word.BETTER
    assert (found.interval.value, found.interval.low, found.interval.high) == (
        standing.value,
        standing.low,
        standing.high,
    )
    assert found.p_adjusted == 0.01
    assert "4 seeds" in found.verdict.reason


def test_an_equivalence_leaves_nothing_to_the_family_of_differences() -> None:
    tested = {"a": with_p(0.03), "b": result(0.0, 0.01)}
    without = holm_family(tested, WITHIN)
    after = holm_family(tested, WITHIN, {"b": decision(Word.EQUIVALENT, 0.0)})
    assert after["a"].p_adjusted == pytest.approx(without["a"].p_adjusted)
    assert after["a"].p_adjusted == pytest.approx(0.06)


def test_what_cannot_be_tested_costs_the_others_nothing() -> None:
    few, other = result(3.0, seeds=2), Verdict(word=Word.INCOMPARABLE, reason="another protocol")
    found = holm_family({"a": with_p(0.04), "few": few, "other": other}, PLAIN)
    assert found["a"].p_adjusted == pytest.approx(0.04)
    assert found["a"].verdict.word is Word.BETTER
    assert found["few"].verdict.word is Word.INCONCLUSIVE
    assert found["few"].p_adjusted is None
    assert found["other"].verdict is other


def test_seeds_that_change_nothing_are_no_replicates() -> None:
    world = World(variants=3, seeds=4, clips=30)
    values = world.values()
    values[1] = values[1][:1]
    model = RandomEffects(matrix_of(world.keys, values.reshape(12, 30), world.names), "v0")
    tested = {
        name: run_test(model, model.contrast({name: 1.0, "v0": -1.0}), PLAIN)
        for name in ("v1", "v2")
    }
    found = holm_family(tested, PLAIN)
    assert not tested["v1"].testable
    assert tested["v2"].testable
    assert found["v1"].verdict.word is Word.INCONCLUSIVE
    assert "the seed changes nothing in v1" in found["v1"].verdict.reason
    assert found["v2"].p_adjusted == pytest.approx(tested["v2"].p)


VALUES = st.lists(st.floats(-0.6, 0.6), min_size=1, max_size=7)
PLANS = st.sampled_from([(8, ()), (12, ()), (12, (3, 5)), (20, tuple(range(3, 8))), (8, (4,))])


@settings(max_examples=80, deadline=None)
@given(VALUES, PLANS)
def test_an_interval_leaves_out_zero_exactly_where_a_difference_is_called(
    values: list[float], plan: tuple[int, tuple[int, ...]]
) -> None:
    looks = Looks(now=8, planned=plan[0], past=plan[1])
    tested = {index: result(value, looks=looks) for index, value in enumerate(values)}
    for each in holm_family(tested, PLAIN).values():
        low, high = each.interval.low, each.interval.high
        if min(abs(low), abs(high)) < 1e-6 or abs(each.p_adjusted - 0.05) < 1e-7:
            continue
        assert (low > 0 or high < 0) == (each.verdict.word in CALLED)
        assert (each.p_adjusted < 0.05) == (each.verdict.word in CALLED)
        if each.verdict.word in CALLED:
            assert (each.verdict.word is Word.BETTER) == (each.interval.value > 0)


def test_intervals_agree_with_words_where_adjusted_p_values_are_tied() -> None:
    """Holm's adjusted p of 0.0072, 0.0072 and 0.0165 are 0.0216 three times."""
    found = holm_family({"a": result(0.3125), "b": result(0.375), "c": result(0.375)}, PLAIN)
    assert len({round(each.p_adjusted, 12) for each in found.values()}) == 1
    assert all(each.verdict.word is Word.BETTER for each in found.values())
    assert all(each.interval.low > 0 for each in found.values())


@settings(max_examples=40, deadline=None)
@given(VALUES, PLANS)
def test_intervals_of_a_family_are_no_narrower_than_those_of_one(
    values: list[float], plan: tuple[int, tuple[int, ...]]
) -> None:
    looks = Looks(now=8, planned=plan[0], past=plan[1])
    tested = {index: result(value, looks=looks) for index, value in enumerate(values)}
    for index, each in holm_family(tested, PLAIN).items():
        alone = tested[index].interval
        assert each.interval.low <= alone.low + 1e-9
        assert each.interval.high >= alone.high - 1e-9


def test_an_equivalent_difference_may_be_real_and_says_so() -> None:
    found = holm_family({"a": result(0.03, 0.005)}, WITHIN)["a"]
    assert found.verdict.word is Word.EQUIVALENT
    assert "real, but smaller" in found.verdict.reason
    assert found.interval.low > 0


def test_each_metric_of_a_family_keeps_its_margin() -> None:
    tested = {"psnr": result(0.03, 0.005), "ssim": result(0.03, 0.005, delta=0.001)}
    of = {"ssim": TestSettings(info=PSNR, delta=0.001, level=0.95, power=0.8)}
    found = holm_family(tested, WITHIN, settings_of=of)
    assert found["psnr"].verdict.word is Word.EQUIVALENT
    assert found["ssim"].verdict.word is Word.BETTER


def test_a_look_after_the_last_one_decides_nothing_and_says_why() -> None:
    late = result(5.0, looks=Looks(now=8, planned=6, past=(3, 6)))
    found = holm_family({"a": late}, PLAIN)["a"]
    assert found.verdict.word is Word.INCONCLUSIVE
    assert "exploratory" in found.verdict.reason
