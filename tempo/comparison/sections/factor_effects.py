"""Estimate main effects and two-way interactions of a factorial design, also without all cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

import numpy as np

from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.statistics.factorial_grid import TOLERANCE, Grid, Term, aliases, grid_of
from tempo.comparison.statistics.hypothesis_tests import (
    AdjustedResult,
    TestResult,
    holm_family,
    run_test,
)
from tempo.comparison.statistics.quantities import Alias, Effect, Verdict, Word
from tempo.comparison.statistics.random_effects import Combination, RandomEffects
from tempo.comparison.statistics.seed_source_matrix import Array, Index
from tempo.core.records import PlannedVariant

MOST_EFFECTS = 200
"""Most effects that are tested: with more, the correction would leave none significant."""

Levels = tuple[tuple[str, str], ...]
"""(level, reference level) for each factor of a term."""


@dataclass(frozen=True)
class Cells:
    """The finished cells of a grid, with their runs in the matrix, `rows`, and the runs' ids."""

    grid: Grid
    model: RandomEffects
    present: tuple[PlannedVariant, ...]
    rows: Index
    run_ids: tuple[str, ...]
    solvers: dict[tuple[Term, ...], _Solver] = field(default_factory=dict)

    @cached_property
    def balanced(self) -> bool:
        matrix = self.model.matrix
        return len({frozenset(matrix.seeds_of(cell.name)) for cell in self.present}) == 1

    @cached_property
    def cell(self) -> Index:
        """(runs,) each run's place among the cells."""
        matrix = self.model.matrix
        place = {cell.name: index for index, cell in enumerate(self.present)}
        return np.array([place[matrix.variants[matrix.variant[row]]] for row in self.rows])

    @cached_property
    def seed(self) -> Index:
        """(runs,) each run's place among the seeds of all cells."""
        return np.asarray(np.unique(self.model.matrix.seed[self.rows], return_inverse=True)[1])

    @property
    def seeds(self) -> int:
        return int(self.seed.max()) + 1

    def weights(self, loading: Array, terms: Sequence[Term]) -> Array | None:
        """Return (runs,) least-squares weights of an effect, None if it cannot be estimated."""
        key = tuple(terms)
        if key not in self.solvers:
            self.solvers[key] = self._solver(key)
        solver = self.solvers[key]
        target = np.concatenate([loading, np.zeros(self.seeds - 1)])
        found = solver.inverse @ target
        if np.abs(solver.normal @ found - target).max() >= TOLERANCE:
            return None
        of_cells, of_seeds = solver.cells @ found[: len(loading)], found[len(loading) :]
        return np.asarray(of_cells[self.cell] + np.concatenate([[0.0], of_seeds])[self.seed])

    def _solver(self, terms: Sequence[Term]) -> _Solver:
        cells = self.grid.matrix(self.present, terms)
        runs = np.zeros((len(self.present), self.seeds))
        np.add.at(runs, (self.cell, self.seed), 1)
        blocks, crossed = np.diag(runs.sum(axis=0)[1:]), cells.T @ runs[:, 1:]
        own = cells.T @ (runs.sum(axis=1)[:, None] * cells)
        normal = np.block([[own, crossed], [crossed.T, blocks]])
        # What rounding leaves of a column that others make up is below this share of the largest.
        noise = len(normal) * float(np.finfo(float).eps)
        return _Solver(cells, normal, np.asarray(np.linalg.pinv(normal, noise, hermitian=True)))


@dataclass(frozen=True, slots=True)
class _Solver:
    """Hold the normal equations of a model with seeds as blocks.

    They are as many as the model has columns, however many runs there are. `cells` (cells, columns)
    is the design of the cells alone, `inverse` the pseudo-inverse of `normal`. Their condition is
    the square of the design's, whose entries are -1, 0 and 1; `Cells.weights` holds each solution
    against the equations.
    """

    cells: Array
    normal: Array
    inverse: Array


def effects(study: FittedStudy) -> tuple[tuple[Effect, ...], tuple[Effect, ...], tuple[Alias, ...]]:
    """Return main effects, interactions and aliases; none without a factor."""
    grid = grid_of(study.sample.trained, study.baseline)
    model = study.model
    if grid is None or model is None:
        return (), (), ()
    cells = _cells(study, grid, model)
    if len(cells.present) < 2:
        return (), (), ()
    found = aliases(grid, cells.present)
    every = (*found, *_planned_aliases(study, found))
    named = {_factors(alias.effect): alias for alias in every}
    mains = _effects(study, cells, grid.mains, named)
    pairs = _effects(study, cells, [term for term in grid.terms if len(term) == 2], named)
    return mains, pairs, every


def _planned_aliases(study: FittedStudy, known: Sequence[Alias]) -> list[Alias]:
    """Return the aliases that the plan's fraction has and the cells do not show already."""
    named = {_factors(each.effect) for each in known}
    return [
        Alias(
            effect=effect.replace(":", " x "),
            with_effects=tuple(each.replace(":", " x ") for each in group if each != effect),
            reason="the planned fraction cannot tell them apart",
        )
        for group in study.sample.plan.aliases
        for effect in group
        if _factors(effect) not in named
    ]


def _factors(effect: str) -> frozenset[str]:
    """Return the factors of an effect as an alias names it, `a x b`, or the plan, `a:b`."""
    return frozenset(effect.replace(":", " x ").split(" x "))


def _cells(study: FittedStudy, grid: Grid, model: RandomEffects) -> Cells:
    matrix = model.matrix
    there = {*matrix.variants}
    present = tuple(cell for cell in grid.cells if cell.name in there)
    names = {cell.name for cell in present}
    rows = [row for row in model.trained if matrix.variants[matrix.variant[row]] in names]
    keys = [(matrix.variants[matrix.variant[row]], matrix.seeds[matrix.seed[row]]) for row in rows]
    run_ids = tuple(study.sample.by_key[key].run_id for key in keys)
    return Cells(grid, model, present, np.array(rows, dtype=np.intp), run_ids)


def _levels(grid: Grid, term: Term) -> list[Levels]:
    """Return every level against the reference level, for each factor of the term."""
    choices = [[(high, grid.levels[name][0]) for high in grid.levels[name][1:]] for name in term]
    return list(product(*choices))


def _effects(
    study: FittedStudy, cells: Cells, terms: Sequence[Term], aliased: Mapping[frozenset[str], Alias]
) -> tuple[Effect, ...]:
    """Return the effects of `terms`; those in `aliased` are no hypotheses and get no verdict.

    What the design cannot tell from another effect may be that one, so its number is shown but
    nothing is claimed of it, and the others' correction does not count it.
    """
    asked = [(term, levels) for term in terms for levels in _levels(cells.grid, term)]
    asked = asked[:MOST_EFFECTS]
    found = {key: _test(study, cells, *key) for key in asked}
    tests = {key: test for key, (test, _) in found.items() if frozenset(key[0]) not in aliased}
    judged = holm_family(tests, study.primary)
    for key in asked:
        if key not in judged:
            judged[key] = _undecidable(found[key][0], aliased[frozenset(key[0])])
    return tuple(_effect(study, cells, key, judged[key], found[key][1]) for key in asked)


def _undecidable(test: TestResult | Verdict, alias: Alias) -> AdjustedResult:
    *most, last = alias.with_effects
    others = f"{', '.join(most)} or {last}" if most else last
    reason = f"it cannot be told from {others}: {alias.reason}"
    verdict = Verdict(word=Word.INCONCLUSIVE, reason=reason)
    if isinstance(test, Verdict):
        return AdjustedResult(None, None, verdict)
    return AdjustedResult(replace(test, p=None, p_equal=None), None, verdict, test.interval)


def _test(
    study: FittedStudy, cells: Cells, term: Term, levels: Levels
) -> tuple[TestResult | Verdict, str]:
    """Return the effect's test, or why there is none, and what has to be said about it."""
    notes = _missing(cells)
    for terms, assumption in _models(cells.grid, term):
        loading = cells.grid.loading(term, levels, terms)
        weights = cells.weights(loading, terms)
        if weights is not None:
            test = run_test(cells.model, _combination(cells, weights), study.primary, cells.seeds)
            return test, "; ".join(filter(None, (assumption, notes)))
    note = "; ".join(filter(None, ("the finished cells cannot estimate it", notes)))
    return Verdict(word=Word.INCONCLUSIVE, reason=note), note


def _models(grid: Grid, term: Term) -> Iterator[tuple[Sequence[Term], str]]:
    """Yield models to try for an effect, each with what it assumes: the fewest assumptions first.

    All two-way interactions; then without one of the others, those that share no factor with the
    effect first; then, for a main effect, without any.
    """
    yield grid.terms, ""
    others = [each for each in grid.terms if len(each) == 2 and each != term]
    if len(others) > 1:
        for dropped in sorted(others, key=lambda each: len(set(each) & set(term))):
            kept = [each for each in grid.terms if each != dropped]
            yield kept, f"assuming that {' and '.join(dropped)} do not interact"
    if len(term) == 1 and len(grid.factors) > 1:
        yield grid.mains, "assuming that no factors interact"


def _missing(cells: Cells) -> str:
    missing = len(cells.grid.cells) - len(cells.present)
    if missing:
        return f"{missing} of {len(cells.grid.cells)} cells have no result"
    return "" if cells.balanced else "cells have different numbers of seeds"


def _combination(cells: Cells, weights: Array) -> Combination:
    """Return the combination, paired by seed where all cells have the same seeds."""
    if cells.balanced:
        totals = np.bincount(cells.cell, weights).tolist()
        pairs = zip(cells.present, totals, strict=True)
        used = {cell.name: weight for cell, weight in pairs if abs(weight) > 1e-12}
        found = cells.model.contrast(used)
        if found is not None:
            return found
    return cells.model.weighted(cells.rows, weights)


def _effect(
    study: FittedStudy, cells: Cells, key: tuple[Term, Levels], judged: AdjustedResult, note: str
) -> Effect:
    term, levels = key
    return Effect(
        factors=term,
        terms=tuple(level for pair in levels for level in pair),
        metric=study.metric,
        change=judged.interval,
        p=judged.p,
        p_adjusted=judged.p_adjusted,
        verdict=judged.verdict,
        cells=len(cells.present),
        planned_cells=len(cells.grid.cells),
        note=note,
        run_ids=cells.run_ids if judged.test else (),
    )
