"""The variance of a mean over clips of unequal sources: classical, and by likelihood."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from tempo.comparison.statistics.source_variance import Groups, components, variance_of_mean

SIZES = [(8, 3, 5, 12, 2, 7, 9), (30, 5, 5, 5, 5, 5, 5), (1, 2, 3, 4, 5, 6)]


def drawn(sizes: tuple[int, ...], tau: float, stream: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return clips' values and their sources."""
    rng = np.random.default_rng(stream)
    source = np.repeat(np.arange(len(sizes)), sizes)
    return rng.normal(size=len(source)) + 2 + tau * rng.normal(size=len(sizes))[source], source


def groups_of(values: np.ndarray, source: np.ndarray) -> Groups:
    sizes = np.bincount(source)
    parts = np.bincount(source, values) / len(values)
    return Groups.of(parts, sizes / len(values), len(values), float((values**2).sum()))


def restricted(values: np.ndarray, source: np.ndarray, ratio: float) -> tuple[float, float]:
    """Return the restricted log likelihood at a ratio by dense matrices, and the spread."""
    n, same = len(values), source[:, None] == source[None, :]
    covariance = np.eye(n) + ratio * same
    inverse, ones = np.linalg.inv(covariance), np.ones(n)
    total = ones @ inverse @ ones
    left = values - ones @ inverse @ values / total
    squares = left @ inverse @ left
    likelihood = -((n - 1) * np.log(squares) + np.linalg.slogdet(covariance)[1] + np.log(total)) / 2
    means = np.bincount(source, left) / np.bincount(source)
    return likelihood, float((means**2 / (ratio + 1 / np.bincount(source))).sum())


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_sources_of_equal_size_give_the_classical_variance(tau: float) -> None:
    values, source = drawn((6,) * 5, tau)
    means = values.reshape(5, 6).mean(axis=1)
    assert variance_of_mean(groups_of(values, source)) == pytest.approx(means.var(ddof=1) / 5)


def test_single_clips_give_the_variance_of_a_mean() -> None:
    values, source = drawn((1,) * 9, 0.0)
    assert variance_of_mean(groups_of(values, source)) == pytest.approx(values.var(ddof=1) / 9)


@pytest.mark.parametrize("sizes", SIZES)
def test_components_are_statsmodels_restricted_maximum_likelihood(sizes: tuple[int, ...]) -> None:
    values, source = drawn(sizes, 1.2, 4)
    table = pd.DataFrame({"y": values, "g": source})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = smf.mixedlm("y ~ 1", table, groups="g").fit(reml=True, gtol=1e-10)
    found = components(groups_of(values, source))
    assert found.mean == pytest.approx(fit.params["Intercept"], rel=1e-4)
    assert found.source == pytest.approx(float(fit.cov_re.iloc[0, 0]), rel=1e-3)
    assert found.clip == pytest.approx(fit.scale, rel=1e-3)


def test_a_negative_component_is_zero() -> None:
    source = np.repeat(np.arange(3), (4, 6, 8))
    values = np.concatenate([np.linspace(-1, 1, size) for size in (4, 6, 8)])
    found = components(groups_of(values, source))
    assert found.source == 0
    assert found.clip == pytest.approx(values.var(ddof=1))


@pytest.mark.parametrize("tau", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("sizes", SIZES)
def test_it_is_the_average_over_the_likelihood(sizes: tuple[int, ...], tau: float) -> None:
    """By dense covariance matrices and adaptive quadrature over log ratios."""
    values, source = drawn(sizes, tau, 8)
    count, size = len(sizes), np.array(sizes)
    peak = max(restricted(values, source, r)[0] for r in np.geomspace(1e-4, 1e3, 40))

    def weight(log_ratio: float) -> float:
        likelihood, _ = restricted(values, source, np.exp(log_ratio))
        return float(np.exp(likelihood - peak + log_ratio / 2))

    def weighted(log_ratio: float) -> float:
        ratio = np.exp(log_ratio)
        scale = ((size / size.sum()) ** 2 * (ratio + 1 / size)).sum()
        return weight(log_ratio) * restricted(values, source, ratio)[1] / (count - 1) * scale

    ends = np.log(1e-4), np.log(1e3)
    top, _ = integrate.quad(weighted, *ends, limit=200)
    bottom, _ = integrate.quad(weight, *ends, limit=200)
    assert variance_of_mean(groups_of(values, source)) == pytest.approx(top / bottom, rel=5e-3)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=12),
    st.floats(1e-3, 1e3),
    st.integers(0, 1000),
)
def test_scale_and_order_of_sources(sizes: list[int], scale: float, stream: int) -> None:
    values, source = drawn(tuple(sizes), 0.7, stream)
    found = variance_of_mean(groups_of(values, source))
    # Small sums of squares are left over from large ones, with a loss of digits.
    centred = values - values.mean()
    assert variance_of_mean(groups_of(centred, source)) == pytest.approx(found, rel=1e-4)
    assert variance_of_mean(groups_of(values * scale, source)) == pytest.approx(
        found * scale**2, rel=1e-4
    )
    turned = len(sizes) - 1 - source
    assert variance_of_mean(groups_of(values, turned)) == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize("tau", [0.3, 2.0])
def test_one_large_source_does_not_hide_its_own_effect(tau: float) -> None:
    """180, 10 and 10 clips: on average at least the true variance of the mean."""
    sizes = (180, 10, 10)
    share = np.array(sizes) / 200
    true = float((share**2 * tau**2).sum()) + 1 / 200
    found = [variance_of_mean(groups_of(*drawn(sizes, tau, stream))) for stream in range(1500)]
    assert np.mean(found) > 0.9 * true
