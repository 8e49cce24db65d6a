"""Compute the chance that an open contrast becomes decided by the seeds that are planned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from tempo.comparison.statistics.group_sequential import Looks
from tempo.comparison.statistics.quantities import Chance
from tempo.comparison.statistics.random_effects import Combination
from tempo.comparison.statistics.student_t import Array

FUTILE = 0.1
"""The chance below which a contrast counts as one that cannot become decided."""

DRAWS = 2000
RANGE = (0.1, 0.9)
"""Quantiles between which the chance itself is stated: what is known of noise and difference."""


@dataclass(frozen=True, slots=True)
class OpenContrasts:
    """Contrasts at a look, each field an array of one shape.

    `pair`: estimated variance of one pair with `pair_df` degrees of freedom; `source`: variance of
    the mean from the draw of the clips, with `source_df`.
    """

    value: Array
    pair: Array
    pair_df: Array
    source: Array
    source_df: float


def chance_to_decide(
    combination: Combination, looks: Looks, alpha: float, delta: float | None
) -> Chance | None:
    """Return the chance of a verdict at the last planned look; None without paired seeds.

    `alpha` is the error rate of this hypothesis.
    """
    parts, now = combination.parts, looks.now
    if not combination.per_seed or looks.planned <= now or not parts.seed_df > 0:
        return None
    if parts.variance <= 0:
        return None
    one = OpenContrasts(
        value=np.array(combination.value),
        pair=np.array(parts.seed * now),
        pair_df=np.array(parts.seed_df),
        source=np.array(max(parts.source - parts.both, 0.0)),
        source_df=parts.source_df,
    )
    drawn = chances(one, looks, np.array(alpha), delta, DRAWS, np.random.default_rng(17))
    low, high = np.quantile(drawn, RANGE)
    return Chance(seeds=looks.planned, mean=float(drawn.mean()), low=float(low), high=float(high))


def chances(
    contrasts: OpenContrasts,
    looks: Looks,
    alpha: Array,
    delta: float | None,
    draws: int,
    rng: np.random.Generator,
) -> Array:
    """Return (draws, ...): the chance of a verdict at the last planned look, for drawn truths.

    The difference on these clips and the variance of a pair are drawn from what the seeds so far
    say of them (flat priors); given both, the mean at the last look is normal around what is there
    already. The draw of the clips stays as it is, since every look is at the same clips.
    """
    now, planned = looks.now, looks.planned
    shape = (draws, *contrasts.value.shape)
    left, df = planned - now, np.maximum(contrasts.pair_df, 1.0)
    pair = np.maximum(contrasts.pair, 1e-24) * df / rng.chisquare(np.broadcast_to(df, shape))
    true = contrasts.value + np.sqrt(pair / now) * rng.normal(size=shape)
    mean = (now * contrasts.value + left * true) / planned
    spread = np.sqrt(pair * left) / planned
    expected = contrasts.pair / planned + contrasts.source
    share = np.where(expected > 0, contrasts.source / np.where(expected > 0, expected, 1.0), 0.0)
    final_df = df * (planned - 1) / max(now - 1, 1)
    degrees = 1 / (share**2 / contrasts.source_df + (1 - share) ** 2 / final_df)
    final = Looks(now=planned, planned=planned, past=(*looks.past, now), spending=looks.spending)
    se = np.sqrt(pair / planned + contrasts.source)
    bound = special.stdtrit(degrees, 1 - final.level(alpha) / 2) * se
    chance = special.ndtr((mean - bound) / spread) + special.ndtr((-mean - bound) / spread)
    if delta is None:
        return np.asarray(chance)
    margin = delta - special.stdtrit(degrees, 1 - final.level_one_sided(alpha)) * se
    inside = special.ndtr((margin - mean) / spread) - special.ndtr((-margin - mean) / spread)
    return np.asarray(np.minimum(chance + np.where(margin > 0, inside, 0.0), 1.0))
