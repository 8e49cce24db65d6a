"""Boundaries of several looks: published values, the multivariate normal, and t tests."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from tempo.comparison.statistics import group_sequential
from tempo.comparison.statistics.group_sequential import Looks, Spending, spent
from tests.comparison.simulate import at_least, at_most

BOTH: list[Spending] = ["obrien_fleming", "pocock"]


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The recursion for normal sums alone, without what t tests of few seeds need."""
    monkeypatch.setattr(group_sequential, "ALLOWANCE", 1.0)
    monkeypatch.setattr(group_sequential, "SEEDS_WITHOUT_CORRELATION", 0)
    group_sequential._path.cache_clear()
    yield
    group_sequential._path.cache_clear()


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        ("obrien_fleming", [4.877, 3.357, 2.680, 2.290, 2.031]),
        ("pocock", [2.438, 2.427, 2.410, 2.397, 2.386]),
    ],
)
@pytest.mark.usefixtures("plain")
def test_boundaries_of_lan_and_demets(spending: Spending, published: list[float]) -> None:
    """Five equal looks at a one-sided 2.5 % (Lan and DeMets 1983; Reboussin et al. 2000)."""
    for look, z in enumerate(published, 1):
        looks = Looks(now=look, planned=5, past=tuple(range(1, look)), spending=spending)
        assert -special.ndtri(float(looks.level_one_sided(0.025))) == pytest.approx(z, abs=2e-3)


@pytest.mark.parametrize("spending", BOTH)
@pytest.mark.usefixtures("plain")
def test_what_is_spent_is_the_chance_to_cross(spending: Spending) -> None:
    """Against the multivariate normal distribution function, at unequal looks."""
    seeds, planned, alpha = (3, 4, 9), 12, 0.05
    bounds = []
    for look, now in enumerate(seeds):
        at = Looks(now=now, planned=planned, past=seeds[:look], spending=spending)
        bounds.append(-special.ndtri(float(at.level_one_sided(alpha))))
        n = np.array(seeds[: look + 1])
        correlation = np.sqrt(np.minimum.outer(n, n) / np.maximum.outer(n, n))
        inside = stats.multivariate_normal(cov=correlation).cdf(bounds) if look else None
        inside = special.ndtr(bounds[0]) if inside is None else inside
        crossed = 1 - float(inside)
        assert crossed == pytest.approx(float(spent(alpha, now / planned, spending)), abs=3e-5)


@pytest.mark.parametrize("spending", BOTH)
def test_all_is_spent_at_the_end_and_less_before(spending: Spending) -> None:
    shares = np.linspace(0.1, 1, 10)
    used = np.array([float(spent(0.025, each, spending)) for each in shares])
    assert used[-1] == pytest.approx(0.025)
    assert (np.diff(used) > 0).all()


@pytest.mark.parametrize("spending", BOTH)
@pytest.mark.parametrize(("first", "last"), [(3, 5), (3, 12), (5, 10)])
def test_t_tests_at_every_seed_spend_at_most_five_percent(
    spending: Spending, first: int, last: int
) -> None:
    studies = 40_000
    values = np.random.default_rng(last).normal(size=(studies, last))
    sums, squares = values.cumsum(axis=1), (values**2).cumsum(axis=1)
    hit = np.zeros(studies, dtype=bool)
    for now in range(first, last + 1):
        mean = sums[:, now - 1] / now
        variance = (squares[:, now - 1] - now * mean**2) / (now - 1)
        p = 2 * special.stdtr(now - 1, -np.abs(mean) / np.sqrt(variance / now))
        looks = Looks(now=now, planned=last, past=tuple(range(first, now)), spending=spending)
        hit |= p <= float(looks.level(0.05))
    assert at_most(0.05, int(hit.sum()), studies)
    assert at_least(0.043, int(hit.sum()), studies)


def test_the_single_look_is_the_test_itself() -> None:
    one = Looks(now=5, planned=5)
    p = np.array([1e-12, 0.003, 0.05, 0.4, 1.0])
    assert one.single
    np.testing.assert_allclose(one.sequential_p(p), p)
    np.testing.assert_allclose(one.level(p), p)


def test_after_the_last_planned_look_nothing_is_left() -> None:
    late = Looks(now=14, planned=12, past=(3, 12))
    assert late.spent
    assert float(late.sequential_p(1e-9)) == 1
    assert float(late.level(0.05)) == 0


def test_more_seeds_than_planned_without_the_planned_look_are_the_last_look() -> None:
    late, last = Looks(now=14, planned=12, past=(3,)), Looks(now=12, planned=12, past=(3,))
    assert not late.spent
    assert float(late.level(0.05)) == float(last.level(0.05))


def test_a_second_look_at_the_same_seeds_costs_nothing() -> None:
    again, once = Looks(now=6, planned=12, past=(3, 6, 6)), Looks(now=6, planned=12, past=(3,))
    assert float(again.level(0.05)) == float(once.level(0.05))


LOOKS = st.sets(st.integers(2, 14), min_size=1, max_size=5).map(sorted)


@settings(max_examples=12, deadline=None)
@given(LOOKS, st.integers(0, 4), st.sampled_from(BOTH), st.floats(1e-4, 0.4))
def test_sequential_p_inverts_the_level(
    seeds: list[int], more: int, spending: Spending, alpha: float
) -> None:
    looks = Looks(
        now=seeds[-1], planned=seeds[-1] + more, past=tuple(seeds[:-1]), spending=spending
    )
    level = float(looks.level(alpha))
    if level > 1e-20:
        assert float(looks.sequential_p(level)) == pytest.approx(alpha, rel=1e-6)
    assert level <= alpha * (1 + 1e-9)
    p = np.geomspace(1e-9, 1, 60)
    found = looks.sequential_p(p)
    assert (np.diff(found) >= -1e-12).all()
    assert (found >= p * (1 - 1e-9)).all()
    assert ((found > 0) & (found <= 1)).all()


@settings(max_examples=8, deadline=None)
@given(st.integers(3, 10), st.sampled_from(BOTH), st.floats(1e-4, 0.2))
def test_looks_before_lower_the_level_now(now: int, spending: Spending, alpha: float) -> None:
    levels = []
    for past in ((), (2,), (2, 3), tuple(range(2, now))):
        earlier = tuple(each for each in past if each < now)
        looks = Looks(now=now, planned=12, past=earlier, spending=spending)
        levels.append(float(looks.level(alpha)))
    assert all(a >= b * (1 - 1e-6) for a, b in pairwise(levels))
