"""Moderated seed variances: laws, limma's fit of the prior, and a plain second implementation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from tempo.comparison.statistics.variance_moderation import PRIOR_LIMIT, moderate, moderate_one


def drawn(contrasts: int, seeds: int, stream: int, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(stream)
    spread = rng.uniform(0.3, 3, contrasts + 1)[:, None]
    runs = rng.normal(size=(contrasts + 1, seeds)) * spread
    differences = runs[1:] - runs[:1]
    differences[rng.random(differences.shape) < missing] = np.nan
    return differences


def plainly(differences: np.ndarray) -> list[tuple[float, float, float]]:
    """Return variance, degrees of freedom and prior's degrees of each contrast, one at a time."""
    rows = [row[np.isfinite(row)] for row in differences]
    own = [float(np.var(row, ddof=1)) if len(row) > 1 else math.nan for row in rows]
    df = [max(len(row) - 1, 0) for row in rows]
    fitted = limma_degrees([v for v, d in zip(own, df, strict=True) if d], [d for d in df if d])
    found = []
    for i, row in enumerate(differences):
        rest = [j for j in range(len(rows)) if j != i and df[j]]
        rest_df = sum(df[j] for j in rest)
        prior = sum(own[j] * df[j] for j in rest) / rest_df if rest_df else math.nan
        if not rest_df:
            prior_df = 0.0
        elif not df[i]:
            prior_df = min(fitted, rest_df)
        else:
            p = stats.f.sf(own[i] / prior, df[i], rest_df)
            prior_df = min(fitted, rest_df, PRIOR_LIMIT * df[i]) * min(2 * p, 1)
        total = df[i] + prior_df
        squares = (own[i] * df[i] if df[i] else 0.0) + (prior * prior_df if prior_df else 0.0)
        variance = squares / total if total else math.nan
        shared = 0.0
        if df[i]:
            seeds = np.flatnonzero(np.isfinite(row))
            means = [np.nanmean(differences[:, seed]) for seed in seeds]
            shared = min(float(np.var(means, ddof=1)), variance)
        shared_df = df[i] or max(*df, 1)
        a = shared * shared_df / stats.chi2.ppf(0.25, shared_df)
        b = max(variance - shared, 0.0) * max(total, 1) / stats.chi2.ppf(0.25, max(total, 1))
        degrees = (a + b) ** 2 / (a**2 / shared_df + b**2 / max(total, 1)) if a + b else shared_df
        found.append((variance, degrees, prior_df))
    return found


def limma_degrees(variances: list[float], df: list[int]) -> float:
    """Return d0 as limma's fitFDist has it, by root finding instead of its Newton steps."""
    if len(variances) < 3:
        return math.inf
    half = np.array(df) / 2
    scores = np.log(variances) - special.digamma(half) + np.log(half)
    excess = scores.var(ddof=1) - special.polygamma(1, half).mean()
    if excess <= special.polygamma(1, 250.0):
        return math.inf
    return 2 * optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-3, 1e4)


def with_variances(variances: np.ndarray, seeds: int = 5) -> np.ndarray:
    pattern = np.linspace(-1, 1, seeds)
    return np.sqrt(variances)[:, None] * pattern / pattern.std(ddof=1)


@pytest.mark.parametrize("missing", [0.0, 0.25])
@pytest.mark.parametrize(("contrasts", "seeds"), [(1, 3), (2, 3), (4, 3), (5, 6), (10, 4)])
def test_it_equals_a_plain_second_implementation(
    contrasts: int, seeds: int, missing: float
) -> None:
    for stream in range(15):
        differences = drawn(contrasts, seeds, stream, missing)
        if not np.isfinite(differences).any(axis=0).all():
            continue
        found = moderate(differences)
        expected = np.array(plainly(differences))
        np.testing.assert_allclose(found.variance, expected[:, 0], rtol=2e-3)
        np.testing.assert_allclose(found.prior_df, expected[:, 2], rtol=5e-3, atol=1e-9)
        known = np.isfinite(expected[:, 0])
        np.testing.assert_allclose(found.df[known], expected[known, 1], rtol=5e-3)


@pytest.mark.parametrize(
    ("degrees", "trigamma"),
    [(1, math.pi**2 / 2), (2, math.pi**2 / 6), (4, math.pi**2 / 6 - 1)],
)
def test_the_prior_counts_as_limma_fits_it(degrees: int, trigamma: float) -> None:
    """Log variances that spread by chance and by trigamma(d0 / 2), known in closed form."""
    count, own_df = 41, 4
    chance = math.pi**2 / 6 - 1  # trigamma(own_df / 2)
    logs = np.linspace(-1, 1, count)
    logs *= math.sqrt((chance + trigamma) / logs.var(ddof=1))
    found = moderate(with_variances(np.exp(logs), own_df + 1))
    assert found.prior_df[0] == pytest.approx(degrees, rel=2e-3)
    assert found.prior_df.max() <= degrees * 1.002


def test_one_contrast_has_its_own_variance() -> None:
    row = np.array([[0.3, -0.1, 0.7, 0.2]])
    found = moderate(row)
    assert found.variance[0] == pytest.approx(row.var(ddof=1))
    assert found.df[0] == pytest.approx(3)
    assert found.prior_df[0] == 0


def test_the_prior_counts_for_twice_the_own_degrees_at_most() -> None:
    """Forty alike contrasts; the first is quieter than the rest, which is no reason to doubt."""
    found = moderate(with_variances(np.array([0.5, *np.ones(39)]), 3))
    assert found.prior_df[0] == pytest.approx(PRIOR_LIMIT * 2)
    assert found.variance[0] == pytest.approx((0.5 * 2 + 1.0 * 4) / 6)


def test_a_contrast_far_noisier_than_the_rest_leans_on_nothing() -> None:
    found = moderate(with_variances(np.array([1.0, 1.1, 0.9, 400.0])))
    assert found.prior_df[3] < 1e-3
    assert found.variance[3] == pytest.approx(400, rel=1e-3)


def test_a_contrast_with_one_pair_has_the_prior_alone() -> None:
    differences = drawn(4, 5, 3)
    differences[0, 1:] = np.nan
    found = moderate(differences)
    rest = np.var(differences[1:], axis=1, ddof=1).mean()
    assert found.own_df[0] == 0
    assert found.variance[0] == pytest.approx(rest)


def test_nothing_to_learn_from_is_not_a_number() -> None:
    found = moderate(np.array([[0.3, np.nan], [np.nan, 0.1]]))
    assert np.isnan(found.variance).all()
    assert (found.prior_df == 0).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 8),
    st.integers(2, 8),
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.2]),
    st.floats(1e-3, 1e3),
)
def test_order_scale_sign_and_missing_columns_change_nothing(
    contrasts: int, seeds: int, stream: int, missing: float, scale: float
) -> None:
    differences = drawn(contrasts, seeds, stream, missing)
    found = moderate(differences)
    rng = np.random.default_rng(stream)
    order, columns = rng.permutation(contrasts), rng.permutation(seeds)
    turned = moderate(differences[order][:, columns])
    np.testing.assert_allclose(turned.variance, found.variance[order])
    np.testing.assert_allclose(turned.df, found.df[order])
    scaled = moderate(differences * -scale)
    np.testing.assert_allclose(scaled.variance, found.variance * scale**2)
    np.testing.assert_allclose(scaled.df, found.df, rtol=1e-6)
    wider = moderate(np.concatenate([differences, np.full((contrasts, 1), np.nan)], axis=1))
    np.testing.assert_allclose(wider.variance, found.variance)
    np.testing.assert_allclose(wider.df, found.df)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(2, 8), st.integers(0, 10_000))
def test_the_variance_lies_between_the_own_and_the_prior(
    contrasts: int, seeds: int, stream: int
) -> None:
    found = moderate(drawn(contrasts, seeds, stream))
    low, high = np.minimum(found.own, found.prior), np.maximum(found.own, found.prior)
    assert (found.variance >= low * (1 - 1e-9)).all()
    assert (found.variance <= high * (1 + 1e-9)).all()
    assert (found.prior_df <= PRIOR_LIMIT * found.own_df + 1e-9).all()
    assert (found.df <= found.own_df * (1 + PRIOR_LIMIT) + found.own_df + 1e-9).all()


def test_many_studies_at_once_are_each_study_by_itself() -> None:
    studies = np.stack([drawn(4, 5, stream, 0.1) for stream in range(6)])
    together = moderate(studies)
    for index, study in enumerate(studies):
        np.testing.assert_allclose(together.variance[index], moderate(study).variance)
        np.testing.assert_allclose(together.df[index], moderate(study).df)


@pytest.mark.parametrize("first", [1, 3, 6])
def test_some_of_a_study_are_those_of_all(first: int) -> None:
    studies = np.random.default_rng(4).normal(size=(5, 6, 4))
    studies[1, 2, 3] = studies[2, 0, 1:] = np.nan
    for differences in (studies, studies[3]):
        some, whole = moderate(differences, first), moderate(differences)
        for name in whole.__slots__:
            every = getattr(whole, name)[..., :first]
            assert np.array_equal(getattr(some, name), every, equal_nan=True), name


def test_other_combinations_weigh_own_and_prior_by_their_degrees() -> None:
    variance, df, prior_df = moderate_one(1.0, 3, 2.0, 4)
    assert prior_df == pytest.approx(4)
    assert df == pytest.approx(7)
    assert variance == pytest.approx((3 * 1.0 + 4 * 2.0) / 7)
    assert moderate_one(1.0, 3, 2.0, 100)[2] == pytest.approx(PRIOR_LIMIT * 3)
    assert moderate_one(1.0, 3, 2.0, 0) == (1.0, 3.0, 0.0)
    assert moderate_one(math.nan, 0, 2.0, 5) == (2.0, 5.0, 5.0)
    p = stats.f.sf(9.0, 3, 4)
    assert moderate_one(9.0, 3, 1.0, 4)[2] == pytest.approx(4 * 2 * p)
