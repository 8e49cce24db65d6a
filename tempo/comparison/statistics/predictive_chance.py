"""Compute the chance that an open contrast becomes decided by the seeds that are planned."""

from __future__ import annotations

import numpy as np
from scipy import special

from tempo.comparison.statistics.group_sequential import Looks
from tempo.comparison.statistics.quantities import Chance
from tempo.comparison.statistics.random_effects import Combination

FUTILE = 0.1
"""The chance below which a contrast counts as one that cannot become decided."""

DRAWS = 2000
RANGE = (0.1, 0.9)
"""Quantiles between which the chance itself is stated: what is known of noise and difference."""


def chance_to_decide(
    combination: Combination, looks: Looks, alpha: float, delta: float | None
) -> Chance | None:
    """Return the chance of a verdict at the last planned look; None without paired seeds.

    `alpha` is the error rate of this hypothesis. The difference on these clips and the variance of
    a pair are drawn from what the seeds so far say of them (flat priors, a fixed stream of random
    numbers); given both, the mean at the last look is normal around what is there already. The
    draw of the clips stays as it is, since every look is at the same clips.
    """
    parts, now = combination.parts, looks.now
    left = looks.planned - now
    if not combination.per_seed or left <= 0 or not parts.seed_df > 0 or parts.variance <= 0:
        return None
    rng = np.random.default_rng(17)
    pair = parts.seed * now * parts.seed_df / rng.chisquare(parts.seed_df, DRAWS)
    true = combination.value + np.sqrt(pair / now) * rng.normal(size=DRAWS)
    mean = (now * combination.value + left * true) / looks.planned
    spread = np.sqrt(pair * left) / looks.planned
    source = max(parts.source - parts.both, 0.0)
    se = np.sqrt(pair / looks.planned + source)
    seed_df = parts.seed_df * (looks.planned - 1) / max(now - 1, 1)
    share = source / (pair / looks.planned + source)
    df = 1 / (share**2 / parts.source_df + (1 - share) ** 2 / seed_df)
    final = Looks(
        now=looks.planned,
        planned=looks.planned,
        past=(*looks.past, now),
        spending=looks.spending,
    )
    bound = special.stdtrit(df, 1 - final.level(alpha) / 2) * se
    chance = special.ndtr((mean - bound) / spread) + special.ndtr((-mean - bound) / spread)
    if delta is not None:
        margin = delta - special.stdtrit(df, 1 - final.level_one_sided(alpha)) * se
        inside = special.ndtr((margin - mean) / spread) - special.ndtr((-margin - mean) / spread)
        chance = np.minimum(chance + np.where(margin > 0, inside, 0.0), 1.0)
    low, high = np.quantile(chance, RANGE)
    return Chance(seeds=looks.planned, mean=float(chance.mean()), low=float(low), high=float(high))
