"""Spread an error rate over several looks at growing data (group-sequential boundaries).

A study that is looked at after each seed rejects a true hypothesis far more often than its nominal
level says. Alpha spending (Lan and DeMets 1983) fixes how much of the error rate may be used up by
the time a share t of the planned seeds is there, whenever the looks happen:

    obrien_fleming:  f(alpha, t) = 2 - 2 Phi(z(1 - alpha/2) / sqrt(t)), little early
    pocock:          f(alpha, t) = alpha ln(1 + (e - 1) t), nearly even

From the shares of the looks follows the nominal level at each: the p value that rejects there. The
levels are computed for sums of independent normal increments and used as significance levels of
the t tests (Jennison and Turnbull 2000, chapter 11). With so few seeds that spends 5.2 to 6.0 %
instead of 5 % (measured, 3 to 20 seeds, a look after each), because t statistics of successive
looks are less alike than the normal ones. So their correlation counts two seeds fewer, and 95 % of
the error rate is spent: 4.4 to 5.0 %. Noise that looks have in common, such as the draw of the
clips, makes their statistics more alike, so that less error is spent.

A p value at a look becomes `sequential p`: the smallest overall error rate at which the look would
have rejected. It is what Holm's procedure then takes: rejecting at a share w of alpha when the
sequential p is at most w alpha is the graphical procedure of Maurer and Bretz (2013) with equal
weights, and holds the family-wise error rate over contrasts and looks together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from tempo.comparison.statistics.student_t import Array, Values
from tempo.core.verdict_rule import Spending

SEEDS_WITHOUT_CORRELATION = 2
"""Seeds that do not count for the correlation of t statistics between looks (see the module)."""

ALLOWANCE = 0.95
"""The share of the error rate that designs with several looks spend (see the module)."""

_ALPHAS = np.geomspace(1e-7, 0.5, 61)
_POINTS = 141
_REACH = 7.0
"""Standard deviations below zero from which a path is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The looks at one hypothesis: its seeds now, those planned, and those at earlier looks.

    `past` are the numbers of seeds of earlier looks, in order; a look with as many seeds as now is
    the same look.
    """

    now: int
    planned: int
    past: tuple[int, ...] = ()
    spending: Spending = "obrien_fleming"

    @property
    def spent(self) -> bool:
        """Whether an earlier look used the whole error rate: at the planned number of seeds."""
        return any(self.planned <= past < self.now for past in self.past)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Numbers of seeds at each look, this one last, none above those planned."""
        earlier = sorted({past for past in self.past if past < self.now})
        return tuple(min(seeds, self.planned) for seeds in (*earlier, self.now))

    @property
    def single(self) -> bool:
        """Whether this is the one look of a design without interim looks."""
        return self.seeds == (self.planned,)

    def level(self, alpha: Values) -> Array:
        """Return the two-sided nominal level at this look, of an overall error rate `alpha`."""
        return 2 * self.level_one_sided(np.asarray(alpha) / 2)

    def level_one_sided(self, alpha: Values) -> Array:
        """Return the nominal level at this look of a one-sided test."""
        rates = np.asarray(alpha, dtype=float)
        if self.spent:
            return np.zeros_like(rates)
        if self.single:
            return rates
        levels = nominal_levels(self.seeds, self.planned, self.spending)[:, -1]
        logs = np.log(np.clip(rates, _ALPHAS[0], _ALPHAS[-1]))
        return np.asarray(np.exp(np.interp(logs, np.log(_ALPHAS), np.log(levels))))

    def sequential_p(self, p: Values) -> Array:
        """Return the smallest overall error rate at which a two-sided `p` rejects at this look."""
        return np.minimum(2 * self.sequential_p_one_sided(np.asarray(p) / 2), 1.0)

    def sequential_p_one_sided(self, p: Values) -> Array:
        """Return the smallest overall error rate at which a one-sided `p` rejects at this look."""
        values = np.asarray(p, dtype=float)
        if self.spent:
            return np.ones_like(values)
        if self.single:
            return values
        levels = nominal_levels(self.seeds, self.planned, self.spending)[:, -1]
        logs = np.log(np.maximum(values, 1e-300))
        found = np.exp(np.interp(logs, np.log(levels), np.log(_ALPHAS)))
        return np.asarray(np.where(values > levels[-1], 1.0, found))


def spent(alpha: Array | float, share: float, spending: Spending) -> Array:
    """Return how much of a one-sided error rate may be used up at a share of the planned seeds."""
    if spending == "pocock":
        return np.asarray(alpha * np.log1p((np.e - 1) * share))
    return np.asarray(2 * special.ndtr(special.ndtri(np.asarray(alpha) / 2) / np.sqrt(share)))


def nominal_levels(
    seeds: tuple[int, ...], planned: int, spending: Spending = "obrien_fleming"
) -> Array:
    """Return (error rates, looks): the one-sided nominal level at each look, by overall error rate.

    Overall error rates are those of a fixed grid from 1e-7 to 0.5, between which levels are read
    off in logarithms. `seeds` rise to at most `planned`.
    """
    levels = [_path(seeds[: end + 1], planned, spending).level for end in range(len(seeds))]
    return np.maximum(np.stack(levels, axis=1), 1e-300)


@dataclass(frozen=True, slots=True)
class _Path:
    """A look's level, and the weighted density of the paths that no look has stopped so far."""

    level: Array
    points: Array
    density: Array


@lru_cache(maxsize=512)
def _path(seeds: tuple[int, ...], planned: int, spending: Spending) -> _Path:
    """Return the last of the looks at `seeds`, from the one before."""
    rates = _ALPHAS * ALLOWANCE
    now = _time(seeds[-1]) / _time(planned)
    budget = spent(rates, seeds[-1] / planned, spending)
    if len(seeds) == 1:
        return _Path(budget, *_first(-special.ndtri(budget) * np.sqrt(now), now))
    before = _path(seeds[:-1], planned, spending)
    step = np.sqrt(now - _time(seeds[-2]) / _time(planned))
    more = budget - spent(rates, seeds[-2] / planned, spending)
    bounds = _solve(before.points, before.density, step, more, np.sqrt(now))
    level = special.ndtr(-bounds / np.sqrt(now))
    return _Path(level, *_next(before.points, before.density, step, bounds))


def _time(seeds: int) -> float:
    """Return the information of so many seeds as it counts for the looks' correlation."""
    return max(seeds - SEEDS_WITHOUT_CORRELATION, 0.5)


def _grid(bounds: Array, start: float) -> Array:
    """Return (error rates, points) from far below to the bound."""
    return start + (bounds - start)[:, None] * np.linspace(0, 1, _POINTS)


def _weights(points: Array) -> Array:
    """Return Simpson's weights of evenly spaced points."""
    factor = np.full(points.shape[1], 2.0)
    factor[1::2] = 4.0
    factor[[0, -1]] = 1.0
    return np.asarray((points[:, 1] - points[:, 0])[:, None] * factor / 3)


def _normal(x: Array, sd: float) -> Array:
    return np.asarray(np.exp(-((x / sd) ** 2) / 2) / (sd * np.sqrt(2 * np.pi)))


def _first(bounds: Array, share: float) -> tuple[Array, Array]:
    points = _grid(bounds, -_REACH * np.sqrt(share))
    return points, _normal(points, np.sqrt(share)) * _weights(points)


def _next(points: Array, density: Array, step: float, bounds: Array) -> tuple[Array, Array]:
    new = _grid(bounds, float(points.min()) - 0.5)
    kernel = _normal(new[:, :, None] - points[:, None, :], step)
    return new, np.einsum("anp,ap->an", kernel, density) * _weights(new)


def _solve(points: Array, density: Array, step: float, spend: Array, scale: float) -> Array:
    """Return the bounds that the paths still inside cross with probability `spend`."""
    low, high = np.full(len(spend), -8.0 * scale), np.full(len(spend), 9.0 * scale)
    for _ in range(60):
        middle = (low + high) / 2
        crossing = (special.ndtr((points - middle[:, None]) / step) * density).sum(axis=1)
        low, high = (
            np.where(crossing > spend, middle, low),
            np.where(crossing > spend, high, middle),
        )
    return np.asarray((low + high) / 2)
