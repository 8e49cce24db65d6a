"""Quantiles, p values and Holm against scipy and statsmodels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tempo.comparison.statistics.student_t import (
    VarianceParts,
    equivalence,
    holm,
    of_each,
    satterthwaite,
    two_sided,
)
from tempo.core.t_interval import t_quantile, two_sided_quantile

P = st.floats(0, 1, allow_nan=False)


def test_a_function_is_worked_out_once_for_equal_elements() -> None:
    asked: list[int] = []

    def squared(values: np.ndarray) -> np.ndarray:
        asked.append(values.size)
        return values**2

    values = np.array([[2.0, 3.0, 2.0], [3.0, 3.0, 5.0]])
    assert np.array_equal(of_each(squared, values), values**2)
    assert of_each(squared, np.array(4.0)).shape == ()
    assert asked == [3, 1]


@settings(max_examples=40, deadline=None)
@given(st.lists(P, min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]) == []


@pytest.mark.parametrize("df", [1, 2, 4.7, 30, math.inf])
def test_quantiles_and_p_values_are_those_of_t(df: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(stats.t.ppf(0.975, df))
    assert two_sided(0.3, 0.1, df) == pytest.approx(2 * stats.t.sf(3, df))


def test_one_sample_of_seeds_is_the_t_test() -> None:
    values = np.array([0.31, 0.12, 0.44, 0.25])
    parts = VarianceParts(seed=float(values.var(ddof=1)) / 4, seed_df=3)
    p = two_sided(float(values.mean()), parts.se, parts.df)
    found = stats.ttest_1samp(values, 0)
    assert p == pytest.approx(found.pvalue)
    low, high = found.confidence_interval(0.95)
    assert two_sided_quantile(0.95, parts.df) * parts.se == pytest.approx((high - low) / 2)


def test_equivalence_is_the_larger_of_two_one_sided_tests() -> None:
    values = np.array([0.01, -0.02, 0.03, 0.0, 0.02])
    se = float(stats.sem(values))
    lower = stats.ttest_1samp(values, -0.05, alternative="greater").pvalue
    upper = stats.ttest_1samp(values, 0.05, alternative="less").pvalue
    assert equivalence(float(values.mean()), se, 4, 0.05) == pytest.approx(max(lower, upper))


@given(st.floats(1e-6, 1), st.integers(1, 30), st.floats(1e-6, 1), st.integers(1, 500))
def test_degrees_of_freedom_lie_between_the_smaller_and_the_sum(
    a: float, df_a: int, b: float, df_b: int
) -> None:
    df = satterthwaite(a, df_a, b, df_b)
    assert min(df_a, df_b) - 1e-9 <= df <= df_a + df_b + 1e-9


def test_a_part_that_rules_alone_keeps_its_degrees_of_freedom() -> None:
    assert satterthwaite(1.0, 4, 0.0, 100) == pytest.approx(4)
    assert satterthwaite(0.0, 4, 1.0, 100) == pytest.approx(100)


def test_no_spread_at_all_settles_everything() -> None:
    assert two_sided(0.0, 0.0, 3) == 1
    assert two_sided(0.1, 0.0, 3) == 0
    assert equivalence(0.01, 0.0, 3, 0.05) == 0
    assert equivalence(0.05, 0.0, 3, 0.05) == 1


def test_variance_is_never_below_its_larger_part() -> None:
    parts = VarianceParts(seed=1.0, seed_df=2, source=0.5, source_df=9, both=0.8)
    assert parts.variance == 1.0
