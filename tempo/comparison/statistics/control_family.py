"""Moderate the seed variances of all contrasts with one control, as a family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tempo.comparison.statistics.seed_source_matrix import Array, SeedSourceMatrix
from tempo.comparison.statistics.variance_moderation import ModeratedVariances, moderate


def source_squares(matrix: SeedSourceMatrix, residuals: Array) -> float:
    """Return the squares of rows' means that the draw of sources makes, summed over the rows.

    `residuals` (rows, sources) are sums per source without the rows' own means. What is taken out
    with each row's total is put back in.
    """
    left = residuals - residuals.sum(axis=-1, keepdims=True) * matrix.weights
    return float((left**2).sum()) / (1 - float((matrix.weights**2).sum()))


def source_share(matrix: SeedSourceMatrix, paired: Array) -> float:
    """Return the part of one pair's seed variance that the draw of sources makes."""
    if not matrix.samples_clips or len(paired) < 2:
        return 0.0
    return source_squares(matrix, paired - paired.mean(axis=0)) / (len(paired) - 1)


@dataclass(frozen=True, slots=True)
class Member:
    """One contrast of the family: its moderated seed variance, and what it borrowed."""

    variance: float
    df: float
    prior_df: float
    prior_both: float
    others: int


class ControlFamily:
    """The contrasts of all trained variants with `control`; empty without a trained control."""

    def __init__(self, matrix: SeedSourceMatrix, control: str | None) -> None:
        self._matrix, self._control = matrix, control

    def member(self, weights: Mapping[str, float]) -> Member | None:
        """Return the contrast that `weights` are, up to its sign.

        None for other combinations, and where there is nothing to borrow from.
        """
        name = self._variant(weights)
        if name is None or len(self._names) < 2:
            return None
        index, found = self._names.index(name), self._moderated
        degrees, both = self._both
        rest = np.delete(degrees, index)
        return Member(
            variance=float(found.variance[index]),
            df=float(found.df[index]),
            prior_df=float(found.prior_df[index]),
            prior_both=float(np.delete(both, index) @ rest / rest.sum()),
            others=len(rest),
        )

    def _variant(self, weights: Mapping[str, float]) -> str | None:
        names = [name for name, weight in weights.items() if abs(weight) > 1e-12]
        if len(names) != 2 or self._control not in names:
            return None
        if abs(sum(weights.values())) > 1e-9 or abs(abs(weights[names[0]]) - 1) > 1e-9:
            return None
        other = names[1] if names[0] == self._control else names[0]
        return other if other in self._names else None

    @cached_property
    def _names(self) -> tuple[str, ...]:
        control, matrix = self._control, self._matrix
        if control is None or matrix.seeds_of(control) in ((), (None,)):
            return ()
        return tuple(
            name
            for name in matrix.variants
            if name != control
            and matrix.seeds_of(name) != (None,)
            and len(matrix.common_seeds([name, control])) > 1
            and not matrix.share_runs([name, control])
        )

    @cached_property
    def _pairs(self) -> list[tuple[tuple[int, ...], Array]]:
        """Seeds and paired parts of each contrast."""
        control, matrix = str(self._control), self._matrix
        found = []
        for name in self._names:
            seeds = matrix.common_seeds([name, control])
            found.append((seeds, matrix.paired({name: 1.0, control: -1.0}, seeds)))
        return found

    @cached_property
    def _moderated(self) -> ModeratedVariances:
        every = sorted({seed for seeds, _ in self._pairs for seed in seeds})
        table = np.full((len(self._pairs), len(every)), np.nan)
        for row, (seeds, paired) in enumerate(self._pairs):
            table[row, [every.index(seed) for seed in seeds]] = paired.sum(axis=1)
        return moderate(table)

    @cached_property
    def _both(self) -> tuple[Array, Array]:
        """Degrees of freedom of each contrast, and what its seed variance owes to the sources."""
        degrees = np.array([len(seeds) - 1.0 for seeds, _ in self._pairs])
        return degrees, np.array([source_share(self._matrix, paired) for _, paired in self._pairs])
