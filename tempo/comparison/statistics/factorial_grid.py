"""Build a factorial design's model matrix, and find the effects that it cannot separate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import combinations, pairwise

import numpy as np

from tempo.comparison.statistics.quantities import Alias
from tempo.comparison.statistics.seed_source_matrix import Array
from tempo.core.records import PlannedVariant

Term = tuple[str, ...]
"""Factors of a main effect (one) or an interaction (two)."""

TOLERANCE = 1e-8


@dataclass(frozen=True)
class Grid:
    """Variants that assign the same factors. `levels[factor]` starts with the reference level.

    Columns are effect-coded: under equal weights every other factor averages to zero, so a main
    effect is one over all levels of the rest, also where cells are missing.
    """

    cells: tuple[PlannedVariant, ...]
    levels: Mapping[str, tuple[str, ...]]

    @property
    def factors(self) -> tuple[str, ...]:
        return tuple(self.levels)

    @cached_property
    def mains(self) -> tuple[Term, ...]:
        return tuple((name,) for name in self.factors)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Main effects, then two-way interactions."""
        return (*self.mains, *combinations(self.factors, 2))

    def width(self, term: Term) -> int:
        return int(np.prod([len(self.levels[name]) - 1 for name in term]))

    def code(self, factor: str, levels: Sequence[str]) -> Array:
        """Return (given, levels - 1) effect coding: the reference level is minus one throughout."""
        size = len(self.levels[factor]) - 1
        place = {level: index for index, level in enumerate(self.levels[factor])}
        table = np.concatenate([-np.ones((1, size)), np.eye(size)])
        return np.asarray(table[[place[level] for level in levels]])

    def matrix(self, cells: Sequence[PlannedVariant], terms: Sequence[Term]) -> Array:
        """Return (cells, 1 + columns): the intercept and the columns of `terms`."""
        codes = {
            name: self.code(name, [cell.levels[name] for cell in cells]) for name in self.factors
        }
        parts = (_product([codes[name] for name in term]) for term in terms)
        return np.concatenate([np.ones((len(cells), 1)), *parts], axis=1)

    def loading(
        self, target: Term, levels: Sequence[tuple[str, str]], terms: Sequence[Term]
    ) -> Array:
        """Return (1 + columns,): the effect as a combination of the model's coefficients."""
        pairs = zip(target, levels, strict=True)
        codes = [self.code(name, pair) for name, pair in pairs]
        own = _product([code[:1] - code[1:] for code in codes])[0]
        parts = [own if term == target else np.zeros(self.width(term)) for term in terms]
        return np.concatenate([np.zeros(1), *parts])


def _product(codes: Sequence[Array]) -> Array:
    """Return the columns of a term from those of its factors, row by row."""
    return reduce(lambda out, code: (out[:, :, None] * code[:, None]).reshape(len(code), -1), codes)


def grid_of(variants: Sequence[PlannedVariant], baseline: str | None) -> Grid | None:
    """Return the largest set of trained variants that assign the same factors; None without one.

    The reference level is the baseline's, else the first one seen. Factors with one level vary
    nothing and are left out.
    """
    having = [each for each in variants if each.levels]
    if not having:
        return None
    (factors, _), *_ = Counter(tuple(sorted(each.levels)) for each in having).most_common(1)
    cells = tuple(each for each in having if tuple(sorted(each.levels)) == factors)
    control = next((each for each in cells if each.name == baseline), cells[0])
    levels = {}
    for name in cells[0].levels:
        seen = dict.fromkeys([control.levels[name], *(each.levels[name] for each in cells)])
        if len(seen) > 1:
            levels[name] = tuple(seen)
    return Grid(cells, levels) if levels else None


def aliases(grid: Grid, present: Sequence[PlannedVariant]) -> tuple[Alias, ...]:
    """Return the effects that the finished cells cannot tell from others, with those others."""
    made = []
    for term in grid.terms:
        if _separate(grid, present, term, grid.terms):
            continue
        partners = _partners(grid, present, term)
        planned = not _separate(grid, grid.cells, term, grid.terms)
        reason = (
            "the planned variants never vary one without the other"
            if planned
            else "the cells that would separate them have not finished"
        )
        names = tuple(name_of(each) for each in partners)
        made.append(Alias(effect=name_of(term), with_effects=names, reason=reason))
    return tuple(made)


def name_of(term: Term) -> str:
    return " x ".join(term)


def _rank(grid: Grid, cells: Sequence[PlannedVariant], terms: Sequence[Term]) -> int:
    matrix = grid.matrix(cells, terms)
    return int(np.linalg.matrix_rank(matrix.T @ matrix, hermitian=True))


def _separate(
    grid: Grid, cells: Sequence[PlannedVariant], term: Term, terms: Sequence[Term]
) -> bool:
    """Return whether leaving the term out loses all of its columns' rank."""
    if not cells:
        return False
    others = [each for each in terms if each != term]
    lost = _rank(grid, cells, terms) - _rank(grid, cells, others)
    return lost == grid.width(term)


def _partners(grid: Grid, cells: Sequence[PlannedVariant], term: Term) -> list[Term]:
    """Return the terms without which this one would be separate, else all that overlap with it."""
    others = [each for each in grid.terms if each != term]
    single = [
        each
        for each in others
        if _separate(grid, cells, term, [kept for kept in grid.terms if kept != each])
    ]
    return single or _entangled(grid, cells, term)


def _entangled(grid: Grid, cells: Sequence[PlannedVariant], term: Term) -> list[Term]:
    """Return the terms whose coefficients can stand in for this one's in every cell."""
    if not cells:
        return [each for each in grid.terms if each != term]
    matrix = grid.matrix(cells, grid.terms)
    free = np.eye(matrix.shape[1]) - np.linalg.pinv(matrix) @ matrix
    ends = np.cumsum([1, *(grid.width(each) for each in grid.terms)])
    spans = dict(zip(grid.terms, pairwise(ends), strict=True))
    low, high = spans[term]
    return [
        each
        for each, (start, stop) in spans.items()
        if each != term and np.abs(free[low:high, start:stop]).max() > TOLERANCE
    ]
