"""Estimate the variance of a mean over clips that come in sources of unequal size.

Working model of a contrast's difference in clip c of source g: mean + source(g) + clip(g, c), with
variances tau^2 and sigma^2. With sources of equal size the classical estimate, the variance between
the sources' means over their number, needs neither. With unequal sizes the plain clustered
variance fails in both directions (docs/verdicts.md): one source with most of the clips hides its
own effect, since the mean is nearly its own. So the spread of the sources is estimated with the
weights that the model gives (restricted maximum likelihood), and the variance of the mean over
clips follows from it. One number decides the weights, the ratio tau^2 / sigma^2; where the sources
are few its likelihood is wide and often highest at zero, so the variance is averaged over the
ratio's likelihood (with a flat prior on tau) instead of read at the peak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tempo.comparison.statistics.seed_source_matrix import Array

RATIOS = np.geomspace(1e-4, 1e3, 71)
"""Ratios tau^2 / sigma^2 over which the likelihood is averaged, evenly in their logarithm."""


@dataclass(frozen=True, slots=True)
class SourceComponents:
    """Restricted maximum likelihood estimates: `source` is tau^2, `clip` is sigma^2."""

    mean: float
    source: float
    clip: float


@dataclass(frozen=True, slots=True)
class Groups:
    """Clips by source: means and sizes of the sources, and the sum of squares within them."""

    means: Array
    sizes: Array
    within: float

    @classmethod
    def of(cls, parts: Array, weights: Array, clips: int, squares: float) -> Groups:
        """Build from each source's sum over the number of all clips, and all squares' sum."""
        sizes = weights * clips
        means = parts / weights
        within = max(squares - float((sizes * means**2).sum()), 0.0)
        return cls(means, sizes, within if clips > len(sizes) else 0.0)

    @property
    def equal(self) -> bool:
        return bool(np.ptp(self.sizes) < 1e-9)


def variance_of_mean(groups: Groups) -> float:
    """Return the variance of the mean over all clips, on (sources - 1) degrees of freedom."""
    count = len(groups.sizes)
    share = groups.sizes / groups.sizes.sum()
    if groups.equal:
        return float(groups.means.var(ddof=1) / count)
    likelihood, spread = _profile(groups, RATIOS)
    weight = likelihood + 0.5 * np.log(RATIOS)
    weight = np.exp(weight - weight.max())
    scale = (share**2 * (RATIOS[:, None] + 1 / groups.sizes)).sum(axis=1)
    return float((weight * spread / (count - 1) * scale).sum() / weight.sum())


def components(groups: Groups) -> SourceComponents:
    """Return the restricted maximum likelihood estimates of tau^2 and sigma^2.

    A component that the data put below zero is zero.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_ratio: float) -> float:
        return -float(_profile(groups, np.exp([log_ratio]))[0][0])

    best = minimize_scalar(loss, bounds=(-14.0, 14.0), method="bounded", options={"xatol": 1e-10})
    ratio = float(np.exp(best.x))
    if -float(_profile(groups, np.zeros(1))[0][0]) <= best.fun:
        ratio = 0.0
    weights = 1 / (ratio + 1 / groups.sizes)
    mean = float((weights * groups.means).sum() / weights.sum())
    spread = float((weights * (groups.means - mean) ** 2).sum())
    clip = (groups.within + spread) / (groups.sizes.sum() - 1)
    return SourceComponents(mean, ratio * clip, clip)


def _profile(groups: Groups, ratios: Array) -> tuple[Array, Array]:
    """Return the restricted log likelihood at each ratio, and the weighted spread of the means."""
    inverse = 1 / (ratios[:, None] + 1 / groups.sizes)
    total = inverse.sum(axis=1)
    mean = (inverse * groups.means).sum(axis=1) / total
    spread = (inverse * (groups.means - mean[:, None]) ** 2).sum(axis=1)
    squares = np.maximum(groups.within + spread, np.finfo(float).tiny)
    determinant = np.log1p(ratios[:, None] * groups.sizes).sum(axis=1) + np.log(total)
    return -((groups.sizes.sum() - 1) * np.log(squares) + determinant) / 2, spread
