"""Moderate each contrast's seed variance towards that of its study's other contrasts.

Three seeds say little about a variance, so contrasts borrow from each other: empirical Bayes
(Smyth 2004, limma). Three things differ from limma, each measured in docs/verdicts.md:

- Contrasts with one control share its noise. They are moderated as contrasts, so that the noise of
  the control is in all of them, and the part that they share keeps the degrees of freedom of one
  control, however many contrasts there are.
- The prior counts for at most `PRIOR_LIMIT` times a contrast's own degrees of freedom.
- A contrast that is noisier than its prior by a one-sided F test leans on the prior less, in
  proportion to p (the idea of Phipson et al. 2016): one noisy variant in ten is invisible to a
  prior that is fitted to all ten.

Arrays are (..., contrasts, seeds), NaN where a seed is missing, so that one function serves a
study and a simulation of thousands.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import special

from tempo.comparison.statistics.seed_source_matrix import Array
from tempo.comparison.statistics.student_t import of_each, satterthwaite

PRIOR_LIMIT = 2.0
"""The most own degrees of freedom that a prior counts for, as a multiple."""

FULL_TRUST = 0.5
"""p of the F test from which on the prior counts in full."""

_DEGREES = np.geomspace(0.5, 500, 200)
_TRIGAMMA = special.polygamma(1, _DEGREES / 2)


@dataclass(frozen=True, slots=True)
class ModeratedVariances:
    """Seed variances of paired differences, each (..., contrasts), and what they were made of.

    `variance` is of one pair, with `df` degrees of freedom; `own` with `own_df` is the contrast's
    alone; `prior` is that of the others, which counts as `prior_df` degrees of freedom.
    """

    variance: Array
    df: Array
    own: Array
    own_df: Array
    prior: Array
    prior_df: Array


def moderate(differences: Array, first: int | None = None) -> ModeratedVariances:
    """Return the moderated seed variance of each contrast with one control.

    `differences`: (..., contrasts, seeds) of variant minus control; NaN where a pair is missing.
    A contrast with fewer than two pairs has the prior alone; without any prior, NaN. `first`: of
    how many contrasts that is returned, the others being there to borrow from (default: of all).
    """
    present = np.isfinite(differences)
    every_df = np.maximum(present.sum(axis=-1) - 1, 0).astype(float)
    every = _variance(differences)
    every_squares = np.where(every_df > 0, every * every_df, 0.0)
    fitted, most = _fitted(every, every_df), _most(every_df)
    own, own_df, squares = (each[..., :first] for each in (every, every_df, every_squares))
    others_df = every_df.sum(axis=-1, keepdims=True) - own_df
    with np.errstate(invalid="ignore", divide="ignore"):
        prior = (every_squares.sum(axis=-1, keepdims=True) - squares) / others_df
    prior_df = _trusted(fitted, own, own_df, prior, others_df)
    total = own_df + prior_df
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (squares + np.where(prior_df > 0, prior * prior_df, 0.0)) / total
    shared = np.minimum(_shared(differences, own_df), variance)
    shared_df = np.where(own_df > 0, own_df, most)
    df = _degrees(shared, shared_df, variance - shared, total)
    return ModeratedVariances(variance, df, own, own_df, prior, prior_df)


def moderate_one(
    own: float, own_df: int, prior: float, others_df: int
) -> tuple[float, float, float]:
    """Return variance, degrees of freedom and the prior's of one combination.

    For combinations that are not contrasts with the control: `prior` is the seed variance that the
    runs show in all other directions, on `others_df` degrees of freedom.
    """
    if others_df <= 0:
        return own, float(own_df), 0.0
    if own_df <= 0:
        return prior, float(others_df), float(others_df)
    most = min(PRIOR_LIMIT * own_df, others_df)
    prior_df = most * _trust(np.array(own), np.array(own_df), np.array(prior), np.array(others_df))
    total = own_df + float(prior_df)
    return (own * own_df + prior * float(prior_df)) / total, total, float(prior_df)


def _variance(differences: Array) -> Array:
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        # A contrast with a single pair has no variance: NaN, which callers know by its df.
        warnings.simplefilter("ignore", RuntimeWarning)
        # The same number, sooner where nothing is missing.
        of = np.nanvar if np.isnan(differences).any() else np.var
        return np.asarray(of(differences, axis=-1, ddof=1))


def _trusted(fitted: Array, own: Array, own_df: Array, prior: Array, others_df: Array) -> Array:
    """Return the degrees of freedom that the prior counts for; `fitted` are those it could."""
    limit = np.where(own_df > 0, PRIOR_LIMIT * own_df, others_df)
    most = np.minimum(np.minimum(fitted, others_df), limit)
    trust = np.where(own_df > 0, _trust(own, own_df, prior, others_df), 1.0)
    return np.where(others_df > 0, most * trust, 0.0)


def _trust(own: Array, own_df: Array, prior: Array, others_df: Array) -> Array:
    """Return how far the prior is believed: 1, less where the own variance is far larger."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = special.fdtrc(np.maximum(own_df, 1), np.maximum(others_df, 1), own / prior)
    p = np.where(prior > 0, p, np.where(own > 0, 0.0, 1.0))
    return np.asarray(np.minimum(p / FULL_TRUST, 1.0))


def _fitted(own: Array, own_df: Array) -> Array:
    """Return the prior's degrees of freedom by the spread of log variances (Smyth 2004).

    Infinite where the variances differ no more than chance has it, and with fewer than three.
    """
    usable = (own_df > 0) & (own > 0)
    count = usable.sum(axis=-1, keepdims=True)
    half = np.where(usable, own_df, 1.0) / 2
    logs = np.where(usable, np.log(np.where(usable, own, 1.0)), 0.0)
    scores = np.where(usable, logs - of_each(special.digamma, half) + np.log(half), 0.0)
    safe = np.maximum(count, 2)
    centre = scores.sum(axis=-1, keepdims=True) / safe
    spread = np.where(usable, (scores - centre) ** 2, 0.0).sum(axis=-1, keepdims=True) / (safe - 1)
    trigamma = of_each(lambda each: special.polygamma(1, each), half)
    chance = np.where(usable, trigamma, 0.0).sum(axis=-1, keepdims=True) / safe
    excess = spread - chance
    fitted = np.interp(-excess, -_TRIGAMMA, _DEGREES)
    found = np.where(excess <= _TRIGAMMA[-1], np.inf, fitted)
    return np.asarray(np.where(count < 3, np.inf, found))


def _shared(differences: Array, own_df: Array) -> Array:
    """Return the variance of what a contrast has in common with the others: its control's noise.

    That of the mean over all contrasts, seed by seed, at the own seeds of those with an `own_df`.
    """
    present = np.isfinite(differences)
    count = np.maximum(present.sum(axis=-2, keepdims=True), 1)
    mean = np.where(present, differences, 0.0).sum(axis=-2, keepdims=True) / count
    at_own = np.where(present[..., : own_df.shape[-1], :], mean, np.nan)
    return np.where(own_df > 0, _variance(at_own), 0.0)


def _most(own_df: Array) -> Array:
    return np.asarray(np.maximum(own_df.max(axis=-1, keepdims=True), 1.0))


def _degrees(shared: Array, shared_df: Array, rest: Array, rest_df: Array) -> Array:
    return satterthwaite(
        np.nan_to_num(shared),
        np.maximum(shared_df, 1.0),
        np.maximum(np.nan_to_num(rest), 0.0),
        np.maximum(rest_df, 1.0),
    )
