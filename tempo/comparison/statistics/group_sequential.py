"""Spread an error rate over several looks at growing data (group-sequential boundaries).

A study that is looked at after each seed rejects a true hypothesis far more often than its nominal
level says. Alpha spending (Lan and DeMets 1983) fixes how much of the error rate may be used up by
the time a share t of the planned seeds is there, whenever the looks happen:

    obrien_fleming:  f(alpha, t) = 2 - 2 Phi(z(1 - alpha/2) / sqrt(t)), little early
    pocock:          f(alpha, t) = alpha ln(1 + (e - 1) t), nearly even

From the shares of the looks follows the nominal level at each: the p value that rejects there. The
levels are computed for sums of independent normal increments and used as significance levels of
the t tests (Jennison and Turnbull 2000, chapter 11). Noise that looks have in common, such as the
draw of the clips, makes their statistics more alike than that, so that less error is spent.

A p value at a look becomes `sequential p`: the smallest overall error rate at which the look would
have rejected. It is what Holm's procedure then takes: rejecting at a share w of alpha when the
sequential p is at most w alpha is the graphical procedure of Maurer and Bretz (2013) with equal
weights, and holds the family-wise error rate over contrasts and looks together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import special

from tempo.comparison.statistics.seed_source_matrix import Array

Spending = Literal["obrien_fleming", "pocock"]

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
    def shares(self) -> tuple[float, ...]:
        """Shares of the planned seeds at each look, this one last."""
        earlier = sorted({past for past in self.past if past < self.now})
        return tuple(min(seeds / self.planned, 1.0) for seeds in (*earlier, self.now))

    @property
    def single(self) -> bool:
        """Whether this is the one look of a design without interim looks."""
        return self.shares == (1.0,)

    def level(self, alpha: float) -> float:
        """Return the two-sided nominal level at this look, of an overall error rate `alpha`."""
        return 0.0 if self.spent else 2 * self._one_sided(alpha / 2)

    def level_one_sided(self, alpha: float) -> float:
        """Return the nominal level at this look of a one-sided test."""
        return 0.0 if self.spent else self._one_sided(alpha)

    def sequential_p(self, p: float) -> float:
        """Return the smallest overall error rate at which a two-sided `p` rejects at this look."""
        return 1.0 if self.spent else min(2 * self._overall(p / 2), 1.0)

    def sequential_p_one_sided(self, p: float) -> float:
        """Return the smallest overall error rate at which a one-sided `p` rejects at this look."""
        return 1.0 if self.spent else self._overall(p)

    def _one_sided(self, alpha: float) -> float:
        if self.single:
            return alpha
        levels = nominal_levels(self.shares, self.spending)[:, -1]
        return float(np.exp(np.interp(np.log(max(alpha, 1e-12)), np.log(_ALPHAS), np.log(levels))))

    def _overall(self, p: float) -> float:
        if self.single:
            return p
        levels = nominal_levels(self.shares, self.spending)[:, -1]
        if p > levels[-1]:
            return 1.0
        return float(np.exp(np.interp(np.log(max(p, 1e-300)), np.log(levels), np.log(_ALPHAS))))


def spent(alpha: Array | float, share: float, spending: Spending) -> Array:
    """Return how much of a one-sided error rate may be used up at a share of the planned seeds."""
    if spending == "pocock":
        return np.asarray(alpha * np.log1p((np.e - 1) * share))
    return np.asarray(2 * special.ndtr(special.ndtri(np.asarray(alpha) / 2) / np.sqrt(share)))


@lru_cache(maxsize=512)
def nominal_levels(shares: tuple[float, ...], spending: Spending = "obrien_fleming") -> Array:
    """Return (error rates, looks): the one-sided nominal level at each look, by overall error rate.

    Overall error rates are those of a fixed grid from 1e-7 to 0.5, between which levels are read
    off in logarithms. `shares` rise to at most 1.
    """
    budget = np.stack([spent(_ALPHAS, share, spending) for share in shares], axis=1)
    increments = np.diff(budget, axis=1, prepend=0.0)
    bounds = -special.ndtri(increments[:, 0]) * np.sqrt(shares[0])
    levels = [increments[:, 0]]
    points, density = _first(bounds, shares[0])
    for before, now, spend in zip(shares, shares[1:], increments[:, 1:].T, strict=False):
        step = np.sqrt(now - before)
        bounds = _solve(points, density, step, spend, np.sqrt(now))
        levels.append(special.ndtr(-bounds / np.sqrt(now)))
        points, density = _next(points, density, step, bounds)
    return np.maximum(np.stack(levels, axis=1), 1e-300)


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
