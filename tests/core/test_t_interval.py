"""t intervals and pooled variances, against SciPy and NumPy."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from tempo.core.t_interval import mean_half_width, pooled_variance, t_quantile


def test_quantiles_are_those_of_scipy() -> None:
    for df in (1, 2.5, 30):
        assert t_quantile(0.975, df) == pytest.approx(stats.t.ppf(0.975, df))
    assert t_quantile(0.975, math.inf) == pytest.approx(stats.norm.ppf(0.975))


def test_the_interval_of_a_mean_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).normal(3, 2, 7).tolist()
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    half = mean_half_width(values, 0.9)
    assert half is not None
    assert (np.mean(values) - half, np.mean(values) + half) == pytest.approx((low, high))
    assert mean_half_width([1.0], 0.95) is None
    assert mean_half_width([1.0, math.inf], 0.95) is None


def test_variances_are_pooled_by_their_degrees_of_freedom() -> None:
    groups = [[1.0, 2.0, 4.0], [3.0, 5.0], [9.0]]
    squares = sum(np.var(group) * len(group) for group in groups)
    assert pooled_variance(groups) == (pytest.approx(squares / 3), 3)
    pooled, df = pooled_variance([[1.0], []])
    assert math.isnan(pooled) and df == 0


def test_planning_does_not_wait_for_scipy() -> None:
    code = "import sys, tempo.core.t_interval; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
