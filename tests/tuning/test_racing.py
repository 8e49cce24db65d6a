"""The racing rule and the intervals, against what they promise."""

from __future__ import annotations

import math
import random
from statistics import NormalDist, fmean

import numpy as np
import pytest
from scipy import stats

from tempo.core.t_interval import pooled_variance
from tempo.tuning.confirmation import difference, estimate
from tempo.tuning.stopping_rules import has_lost


def test_nobody_loses_while_the_spread_between_seeds_is_unknown() -> None:
    assert not has_lost([0.0], [], seeds=3, z=2)
    assert not has_lost([0.0], [[50.0, 50.1]], seeds=3, z=2)
    assert has_lost([0.0], [[50.0, 50.1], [49.0, 49.1], [48.0, 48.1]], seeds=3, z=2)


def test_an_equal_of_the_best_is_stopped_as_rarely_as_the_normal_law_says() -> None:
    rng, lost, rounds = random.Random(1), 0, 1500
    many = [[rng.gauss(0.0, 1.0), rng.gauss(0.0, 1.0)] for _ in range(100)]
    centred = [[a - (a + b) / 2, b - (a + b) / 2] for a, b in many]
    assert math.sqrt(pooled_variance(centred)[0]) == pytest.approx(1.0, rel=0.2)
    for _ in range(rounds):
        best = [rng.gauss(5.0, 1.0) for _ in range(2)]
        lost += has_lost([rng.gauss(5.0, 1.0)], [best, *centred], seeds=2, z=2)
    expected = 1 - NormalDist().cdf(2.0)
    assert lost / rounds == pytest.approx(expected, abs=4 * math.sqrt(expected / rounds))


def test_intervals_agree_with_scipy() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(3, 1, 5).tolist(), rng.normal(2, 1, 4).tolist()
    low, high = stats.ttest_1samp(one, 0).confidence_interval()
    found = estimate(one, "seeds")
    assert (found.low, found.high) == pytest.approx((low, high))
    low, high = stats.ttest_ind(one, other).confidence_interval()
    found = difference(one, other, "seeds")
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.covers == "seeds"
    single = estimate([2.0], "seeds")
    assert single.low is None and single.mean == fmean([2.0])
