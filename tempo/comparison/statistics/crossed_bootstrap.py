"""Resample seeds and sources, each with replacement: the crossed bootstrap (Owen 2007).

The percentile interval is expanded (Hesterberg 2015): few seeds make it too narrow, as it uses
the normal quantile and divides by n. Used from 10 seeds on; below that it covers too little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from tempo.comparison.statistics.seed_source_matrix import Array
from tempo.comparison.statistics.student_t import tail
from tempo.core.t_interval import two_sided_quantile

DRAWS = 4000
MIN_SEEDS = 10


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Draws of an estimate from `seeds` seeds, whose scale is expanded at `df`."""

    value: float
    draws: Array
    seeds: int
    df: float

    @property
    def _widening(self) -> float:
        return float(np.sqrt(self.seeds / (self.seeds - 1)))

    @property
    def se(self) -> float:
        """The standard error, expanded."""
        return float(self.draws.std(ddof=1)) * self._widening

    def interval(self, level: float) -> tuple[float, float]:
        """Return the expanded percentile interval."""
        z = self._widening * two_sided_quantile(level, self.df)
        low, high = special.ndtr(-z), special.ndtr(z)
        found = np.quantile(self.draws, [low, high])
        return float(found[0]), float(found[1])

    def below(self, bound: float) -> float:
        """Return p of the hypothesis that the estimate's mean is at least `bound`.

        The share of draws above `bound` as a z, which is put on the expanded scale; beyond the
        reach of the draws, the distance in standard errors.
        """
        share = float((self.draws >= bound).mean())
        if not 5 / len(self.draws) <= share <= 1 - 5 / len(self.draws):
            if self.se <= 0:
                return 0.0 if self.value < bound else 1.0
            return tail((bound - self.value) / self.se, self.df)
        return tail(-float(special.ndtri(share)) / self._widening, self.df)

    def two_sided(self) -> float:
        """Return p of no difference."""
        down = self.below(0.0)
        return min(2 * min(down, 1 - down), 1.0)

    def equivalence(self, delta: float) -> float:
        """Return p of two one-sided tests that the estimate's mean is within `delta` of zero."""
        return max(self.below(delta), 1 - self.below(-delta))


@lru_cache(maxsize=8)
def _counts(units: int, stream: int) -> Array:
    """Return (draws, units): how often each unit is drawn, divided by the number of units."""
    rng = np.random.default_rng((units, stream))
    picks = rng.multinomial(units, np.full(units, 1 / units), size=DRAWS)
    return np.asarray(picks, dtype=float) / units


def crossed_bootstrap(paired: Array, weights: Array, df: float) -> Bootstrap:
    """Resample the rows (seeds) and columns (sources) of `paired`, the sums per source.

    `weights` are the sources' shares of clips: a draw's mean is over the clips it holds.
    """
    seeds, sources = paired.shape
    per_source = _counts(seeds, 0) @ paired
    drawn = _counts(sources, 1)
    total = (per_source * drawn).sum(axis=1) / (drawn @ weights)
    return Bootstrap(float(paired.mean(axis=0).sum()), np.asarray(total), seeds, df)
