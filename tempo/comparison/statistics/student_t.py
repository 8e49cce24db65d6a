"""Add variance parts with different degrees of freedom (Satterthwaite), test by t, correct (Holm).

An estimate's variance is V = V_seed + V_source - V_both, each part with degrees of freedom of its
own. Satterthwaite (1946) gives V approximate degrees of freedom. With 3 seeds his plug-in covers
92 to 93 % instead of 95 %: a seed part that came out small by chance also claims many degrees of
freedom. Taking the shares at the upper quartile bound of each part (75 % one-sided confidence)
mends that: 94.1 to 96.5 % over 3 to 9 seeds and seed noise from none to ten times the clips'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Array = npt.NDArray[np.float64]
Values = float | Array

SHARE_CONFIDENCE = 0.75
"""One-sided confidence of the bound at which shares enter Satterthwaite's formula."""


@dataclass(frozen=True, slots=True)
class VarianceParts:
    """Variance parts of an estimate: between seeds, between sources, and what both contain."""

    seed: float
    seed_df: float
    source: float = 0.0
    source_df: float = np.inf
    both: float = 0.0

    @property
    def variance(self) -> float:
        """V, never below its larger part (a negative component is none)."""
        return self.seed + self.source - min(self.both, self.seed, self.source)

    @property
    def se(self) -> float:
        return float(np.sqrt(self.variance))

    @property
    def df(self) -> float:
        """Degrees of freedom of V; see the module for the formula.

        Where the seeds vary no more than the draw of sources makes them, V is the sources' part
        alone, with its degrees.
        """
        found = float(satterthwaite(self.seed, self.seed_df, self.source, self.source_df))
        return min(found, self.source_df) if self.both >= self.seed > 0 else found


def satterthwaite(one: Values, one_df: Values, other: Values, other_df: Values) -> Array:
    """Return the degrees of freedom of `one` + `other`, variances with their own degrees.

    Arrays are taken element by element. Without any variance it is the first one's degrees.
    """
    a = np.asarray(one) * _inflation(one_df)
    b = np.asarray(other) * _inflation(other_df)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Shares of the whole, whose squares cannot overflow however large the variances are.
        share, rest = a / (a + b), b / (a + b)
        found = 1 / (share**2 / one_df + rest**2 / other_df)
    return np.where(a + b > 0, found, one_df)


def _inflation(df: Values) -> Array:
    known = np.isinf(df)
    finite = np.where(known, 1.0, df)
    bound = of_each(lambda each: special.chdtri(each, SHARE_CONFIDENCE), finite)
    return np.where(known, 1.0, finite / bound)


def of_each(function: Callable[[Array], npt.ArrayLike], values: Array) -> Array:
    """Return a costly function of every element, worked out once for equal ones."""
    distinct, place = np.unique(values, return_inverse=True)
    return np.asarray(function(distinct), dtype=float)[place]


def tail(t: float, df: float) -> float:
    """Return the chance of a value above `t`."""
    return float(special.ndtr(-t)) if np.isinf(df) else float(special.stdtr(df, -t))


def two_sided(value: float, se: float, df: float) -> float:
    """Return p of a value against zero. Without any spread: 0 for a difference, 1 for none."""
    if se <= 0:
        return 1.0 if value == 0 else 0.0
    return 2 * tail(abs(value) / se, df)


def equivalence(value: float, se: float, df: float, delta: float) -> float:
    """Return p of two one-sided tests that |mean| is below `delta` (Schuirmann 1987)."""
    gap = delta - abs(value)
    if se <= 0:
        return 0.0 if gap > 0 else 1.0
    return tail(gap / se, df)


def holm(p: Sequence[float]) -> list[float]:
    """Return adjusted p values that hold the family-wise error rate (Holm 1979)."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(each) for each in adjusted]
