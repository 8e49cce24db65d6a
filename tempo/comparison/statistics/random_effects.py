"""Fit the crossed seed x source random-effects model, by the method of moments.

A run's value in source g is mu_v + alpha_s + a_vs + b_vg + e_vsg: seeds and sources are crossed,
and both are samples. A linear combination of variants then has the variance
V_seed + V_source - V_both (see `student_t`), where V_both is what the two count twice. On balanced
data this is the two-way analysis of variance, MS_seed + MS_source - MS_error over the number of
cells. V_seed is moderated over the contrasts of a study (see `variance_moderation`), V_source
allows for sources of unequal size (see `source_variance`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from math import sqrt

import numpy as np

from tempo.comparison.statistics.control_family import (
    ControlFamily,
    source_share,
    source_squares,
)
from tempo.comparison.statistics.quantities import Components
from tempo.comparison.statistics.seed_source_matrix import Array, Index, SeedSourceMatrix
from tempo.comparison.statistics.source_variance import Groups, components, variance_of_mean
from tempo.comparison.statistics.student_t import VarianceParts
from tempo.comparison.statistics.variance_moderation import moderate_one

SAME_RUNS = "the very same runs"


@dataclass(frozen=True)
class Combination:
    """A linear combination of variants: its value, variance parts, and how they were made.

    `per_seed` are the values of `seeds`, whose mean is `value`, and `paired` (seeds, sources) their
    parts; without them where the weights differ from run to run (unbalanced designs). `unvaried`
    are the variants whose runs are the same under every seed. `describe` works its components out.
    """

    value: float
    parts: VarianceParts
    describe: Callable[[], Components]
    seeds: tuple[int, ...]
    per_seed: tuple[float, ...]
    paired: Array | None
    unvaried: tuple[str, ...] = ()

    @cached_property
    def components(self) -> Components:
        """What the uncertainty consists of: as costly as all the rest, and asked for by few."""
        return self.describe()


@dataclass(frozen=True, slots=True)
class _SeedPart:
    """The seed variance of one pair, its degrees of freedom, and what both parts count twice."""

    variance: float
    df: float
    both: float
    prior_df: float
    said: str


class RandomEffects:
    """The model of one metric, fitted to all trained variants (references have no seed).

    `control` is the variant whose contrasts are moderated together; None moderates no family.
    """

    def __init__(self, matrix: SeedSourceMatrix, control: str | None = None) -> None:
        self.matrix, self.control = matrix, control
        self.family = ControlFamily(matrix, control)
        self._contrasts: dict[tuple[tuple[str, float], ...], Combination | None] = {}

    @cached_property
    def trained(self) -> Index:
        """Rows of the matrix that have a seed; variants that share a run count it once."""
        has_seed = np.array([seed is not None for seed in self.matrix.seeds])
        rows = np.flatnonzero(has_seed[self.matrix.seed])
        if not self.matrix.origin:
            return rows
        _, first = np.unique(np.array(self.matrix.origin)[rows], return_index=True)
        return np.asarray(rows[np.sort(first)])

    @cached_property
    def trained_names(self) -> tuple[str, ...]:
        """Return the variants that have runs of their own."""
        return tuple(
            self.matrix.variants[index] for index in np.unique(self.matrix.variant[self.trained])
        )

    @property
    def variants(self) -> int:
        return len(self.trained_names)

    @cached_property
    def _residuals(self) -> tuple[Array, int]:
        """Trained runs' parts less the effects of variant and seed, and degrees of freedom."""
        rows = self.trained
        if not len(rows):
            return np.zeros((0, self.matrix.sources)), 0
        # Effects of variants are their means, which are taken out of everything first: so the fit
        # is of the seeds alone, of which there are few however many variants there are.
        variant = self.matrix.variant[rows]
        parts = _within(variant, self.matrix.parts[rows])
        seeds = _within(variant, _dummies(self.matrix.seed[rows]))
        solution, _, rank, _ = np.linalg.lstsq(seeds, parts, rcond=None)
        return parts - seeds @ solution, len(rows) - self.variants - int(rank)

    @cached_property
    def pooled_seed(self) -> tuple[float, int]:
        """Variance of a run's mean that variant and seed do not explain, and its df."""
        residuals, df = self._residuals
        return (float((residuals.sum(axis=1) ** 2).sum() / df), df) if df else (0.0, 0)

    @cached_property
    def pooled_both(self) -> float:
        """The part of `pooled_seed` that a run's mean owes to the draw of sources."""
        residuals, df = self._residuals
        if not df or not self.matrix.samples_clips:
            return 0.0
        return source_squares(self.matrix, residuals) / df

    def _source_part(self, combined: Array, clips: Array | None) -> float:
        """Return the variance of the mean from the draw of sources.

        `combined` are the sums per source, `clips` the values per clip of the same mean over seeds.
        """
        matrix = self.matrix
        if not matrix.samples_clips:
            return 0.0
        squares = 0.0 if clips is None else float((clips**2).sum())
        groups = Groups.of(combined, matrix.weights, matrix.clips, squares)
        return variance_of_mean(groups)

    def contrast(self, weights: Mapping[str, float]) -> Combination | None:
        """Return the combination `weights` of variants, paired by seed; None without a common seed.

        The weights of trained variants sum to zero, or references stand in for the rest. Tables,
        power and warnings ask for the same contrasts, so each is made once.
        """
        key = tuple(weights.items())
        if key not in self._contrasts:
            self._contrasts[key] = self._contrast(weights)
        return self._contrasts[key]

    def _contrast(self, weights: Mapping[str, float]) -> Combination | None:
        matrix = self.matrix
        seeds = matrix.common_seeds(list(weights))
        if not seeds:
            return None
        paired = matrix.paired(weights, seeds)
        combined = paired.mean(axis=0)
        per_seed = paired.sum(axis=1)
        seed = self._seed_part(weights, paired)
        source = self._source_part(combined, self._per_clip(weights, seeds))
        count = len(seeds)
        parts = VarianceParts(
            seed.variance / count, seed.df, source, matrix.source_df, seed.both / count
        )
        values = tuple(float(each) for each in per_seed)
        unvaried = () if seed.said == SAME_RUNS else matrix.unvaried(list(weights))
        describe = partial(self._components, weights, seeds, parts, seed)
        return Combination(float(combined.sum()), parts, describe, seeds, values, paired, unvaried)

    def _per_clip(self, weights: Mapping[str, float], seeds: tuple[int, ...]) -> Array | None:
        """Return the combination's value per clip, averaged over seeds; None without clips."""
        matrix = self.matrix
        if matrix.values is None or matrix.sources == matrix.clips:
            return None
        total = np.zeros(matrix.clips)
        for name, weight in weights.items():
            total += weight * matrix.values[matrix.rows(name, seeds)].mean(axis=0)
        return total

    def _seed_part(self, weights: Mapping[str, float], paired: Array) -> _SeedPart:
        """Return the seed variance of one pair, what it owes to the sources, and how it was made.

        Contrasts with the control are moderated together, other combinations of trained variants
        towards what the runs show in all other directions (see `variance_moderation`).
        """
        own_df = len(paired) - 1
        if self.matrix.share_runs(list(weights)) and abs(sum(weights.values())) < 1e-9:
            return _SeedPart(0.0, max(own_df, 1), 0.0, 0.0, SAME_RUNS)
        own = float(paired.sum(axis=1).var(ddof=1)) if own_df else np.nan
        own_both = source_share(self.matrix, paired)
        member = self.family.member(weights)
        if member is not None:
            variance, df, prior_df = member.variance, member.df, member.prior_df
            prior_both = member.prior_both
            whose = f"{member.others} other contrasts with {self.control}"
        elif self._can_pool(weights):
            pooled, pooled_df = self.pooled_seed
            scale = sum(weight**2 for weight in weights.values())
            rest_df = pooled_df - own_df
            rest = max(pooled * pooled_df - np.nan_to_num(own) / scale * own_df, 0.0)
            prior = scale * rest / rest_df if rest_df > 0 else 0.0
            variance, df, prior_df = moderate_one(own, own_df, prior, rest_df)
            prior_both, whose = scale * self.pooled_both, "the study's other differences"
        else:
            variance, df, prior_df, prior_both, whose = own, own_df, 0.0, 0.0, ""
        total = own_df + prior_df
        both = (own_both * own_df + prior_both * prior_df) / total if total else 0.0
        return _SeedPart(variance, df, both, prior_df, _said(own_df, prior_df, whose))

    def _can_pool(self, weights: Mapping[str, float]) -> bool:
        seeds_of = self.matrix.seeds_of
        trained = [weight for name, weight in weights.items() if seeds_of(name) != (None,)]
        return bool(trained) and abs(sum(trained)) < 1e-9

    def _components(
        self,
        weights: Mapping[str, float],
        seeds: tuple[int, ...],
        parts: VarianceParts,
        part: _SeedPart,
    ) -> Components:
        count = len(seeds)
        seed = max(parts.seed - parts.both, 0.0) * count
        residual = clip = source = None
        if self.matrix.samples_clips:
            units = self.matrix.clips
            residual = sqrt(parts.both * count * units)
            clip, source = self._clip_spread(weights, seeds, parts)
        return Components(
            seed=sqrt(seed) if np.isfinite(seed) else None,
            source=source,
            clip=clip,
            residual=residual,
            prior_df=part.prior_df,
            test=part.said,
        )

    def _clip_spread(
        self, weights: Mapping[str, float], seeds: tuple[int, ...], parts: VarianceParts
    ) -> tuple[float | None, float | None]:
        """Return the standard deviations between clips of a source, and between sources."""
        matrix = self.matrix
        if matrix.sources == matrix.clips:
            return sqrt(max(parts.source - parts.both, 0.0) * matrix.clips), None
        values = self._per_clip(weights, seeds)
        if values is None:
            return None, None
        combined = matrix.paired(weights, seeds).mean(axis=0)
        found = components(
            Groups.of(combined, matrix.weights, matrix.clips, float((values**2).sum()))
        )
        return sqrt(found.clip), sqrt(found.source)

    def weighted(self, rows: Index, weights: Array) -> Combination:
        """Return a combination with a weight for each run (unbalanced designs).

        The seed variance is the pooled one: with weights that differ from seed to seed there is no
        series of paired values to compare it with.
        """
        combined = weights @ self.matrix.parts[rows]
        scale = float((weights**2).sum())
        variance, df = self.pooled_seed
        both = scale * self.pooled_both
        seed = scale * variance if df else np.nan
        values = self.matrix.values
        by_clip = None if values is None else weights @ values[rows]
        source = self._source_part(combined, by_clip)
        parts = VarianceParts(seed, df, source, self.matrix.source_df, both)
        spread = Components(
            seed=sqrt(max(variance - self.pooled_both, 0.0)) if df else None,
            prior_df=float(df),
            test="pooled over variants: weights differ from run to run",
        )
        return Combination(float(combined.sum()), parts, lambda: spread, (), (), None)


def _within(index: Index, values: Array) -> Array:
    """Return rows of values less the mean of the rows of the same index."""
    _, group, counts = np.unique(index, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    starts = np.cumsum(counts) - counts
    means = np.add.reduceat(values[order], starts, axis=0) / counts[:, None]
    return np.asarray(values - means[group])


def _dummies(index: Index) -> Array:
    levels = np.unique(index)
    return np.asarray(index[:, None] == levels[None, :], dtype=float)


def _said(own_df: int, prior_df: float, whose: str) -> str:
    if not prior_df:
        return f"own seed variance ({own_df} degrees of freedom)"
    return (
        f"own seed variance ({own_df} degrees of freedom) moderated by that of {whose} "
        f"(counted as {prior_df:.1f})"
    )
