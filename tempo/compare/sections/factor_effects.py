"""Main effects and two-way interactions of a factorial design, also when cells are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from tempo.compare.statistics.factorial_grid import TOLERANCE, Grid, Term, aliases, grid_of
from tempo.compare.statistics.fitted_study import Measured
from tempo.compare.statistics.hypothesis_tests import Examined, Judged, examine, family
from tempo.compare.statistics.quantities import Alias, Effect, Verdict, Word
from tempo.compare.statistics.random_effects import Crossed, Linear
from tempo.compare.statistics.seed_source_matrix import Array, Index
from tempo.core.records import PlannedVariant

MOST_EFFECTS = 200
"""More interactions than this are no longer read by anyone, and cost Holm everything."""

Levels = tuple[tuple[str, str], ...]
"""(level, reference level) for each factor of a term."""


@dataclass(frozen=True)
class Cells:
    """The finished cells of a grid: their runs in the panel, and the least-squares solver."""

    grid: Grid
    model: Crossed
    present: tuple[PlannedVariant, ...]
    rows: Index

    @property
    def balanced(self) -> bool:
        """Whether all finished cells have the same seeds."""
        panel = self.model.panel
        return len({frozenset(panel.seeds_of(cell.name)) for cell in self.present}) == 1

    @cached_property
    def _solvers(self) -> dict[tuple[Term, ...], tuple[Array, Array]]:
        return {}

    def _solver(self, terms: tuple[Term, ...]) -> tuple[Array, Array]:
        """The design matrix with seeds as blocks, and its pseudo-inverse."""
        if terms not in self._solvers:
            design = self._design(terms)
            self._solvers[terms] = design, np.asarray(np.linalg.pinv(design))
        return self._solvers[terms]

    def _design(self, terms: Sequence[Term]) -> Array:
        panel = self.model.panel
        matrix = self.grid.matrix(self.present, terms)
        place = {cell.name: index for index, cell in enumerate(self.present)}
        runs = matrix[[place[panel.variants[panel.variant[row]]] for row in self.rows]]
        seeds = panel.seed[self.rows]
        blocks = (seeds[:, None] == np.unique(seeds)[None, 1:]).astype(float)
        return np.concatenate([runs, blocks], axis=1)

    def weights(self, loading: Array, terms: Sequence[Term]) -> Array | None:
        """(runs,) the least-squares weights of an effect, seeds as blocks; None if inestimable."""
        design, inverse = self._solver(tuple(terms))
        target = np.concatenate([loading, np.zeros(design.shape[1] - len(loading))])
        weights = np.asarray(target @ inverse)
        return weights if np.abs(weights @ design - target).max() < TOLERANCE else None


def effects(
    measured: Measured,
) -> tuple[tuple[Effect, ...], tuple[Effect, ...], tuple[Alias, ...]]:
    """Main effects, interactions and aliases in the primary metric; empty without a factor."""
    grid = grid_of(measured.sample.trained, measured.baseline)
    model = measured.model
    if grid is None or model is None:
        return (), (), ()
    cells = _cells(grid, model)
    if len(cells.present) < 2:
        return (), (), ()
    mains = [term for term in grid.terms if len(term) == 1]
    pairs = [term for term in grid.terms if len(term) == 2]
    found = _effects(measured, cells, mains)
    crossed = _effects(measured, cells, pairs)
    found_aliases = aliases(grid, cells.present)
    return found, crossed, (*found_aliases, *_planned(measured, found_aliases))


def _planned(measured: Measured, known: Sequence[Alias]) -> list[Alias]:
    """What the plan itself says of its fraction, where the cells do not show it already."""
    named = {each.effect for each in known}
    return [
        Alias(
            effect=effect.replace(":", " x "),
            with_effects=tuple(each.replace(":", " x ") for each in group if each != effect),
            reason="the planned fraction cannot tell them apart",
        )
        for group in measured.sample.plan.aliases
        for effect in group
        if effect.replace(":", " x ") not in named
    ]


def _cells(grid: Grid, model: Crossed) -> Cells:
    panel = model.panel
    present = tuple(cell for cell in grid.cells if cell.name in panel.variants)
    names = {cell.name for cell in present}
    rows = [row for row in model.trained if panel.variants[panel.variant[row]] in names]
    return Cells(grid, model, present, np.array(rows, dtype=np.intp))


def _levels(grid: Grid, term: Term) -> list[Levels]:
    """Every level against the reference level, for each factor of the term."""
    choices = [[(high, grid.levels[name][0]) for high in grid.levels[name][1:]] for name in term]
    return list(product(*choices))


def _effects(measured: Measured, cells: Cells, terms: Sequence[Term]) -> tuple[Effect, ...]:
    asked = [(term, levels) for term in terms for levels in _levels(cells.grid, term)]
    asked = asked[:MOST_EFFECTS]
    examined = {key: _examined(measured, cells, *key) for key in asked}
    made = {key: each[0] for key, each in examined.items() if each[0]}
    settled = [each for each in made.values() if each]
    judged = dict(zip(made, family(settled, measured.primary), strict=True))
    return tuple(_effect(measured, cells, key, examined[key], judged.get(key)) for key in asked)


def _examined(
    measured: Measured, cells: Cells, term: Term, levels: Levels
) -> tuple[Examined | None, str]:
    """The effect's test, and what has to be said about it."""
    notes = _missing(cells)
    for terms, assumption in _models(cells.grid, term):
        loading = cells.grid.loading(term, levels, terms)
        weights = cells.weights(loading, terms)
        if weights is not None:
            linear = _linear(cells, weights)
            seeds = len(np.unique(cells.model.panel.seed[cells.rows]))
            tested = examine(
                cells.model,
                linear,
                measured.primary,
                seeds=seeds,
                planned=len({run.seed for run in measured.sample.runs if run.seed is not None}),
                bootstrap=True,
            )
            return tested, "; ".join(filter(None, (assumption, notes)))
    return None, "; ".join(filter(None, ("the finished cells cannot estimate it", notes)))


def _models(grid: Grid, term: Term) -> Iterator[tuple[Sequence[Term], str]]:
    """Models to try for an effect, each with what it assumes: the fewest assumptions first.

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


def _linear(cells: Cells, weights: Array) -> Linear:
    """Paired by seed where every cell has the same seeds, else run by run."""
    panel = cells.model.panel
    if cells.balanced:
        totals: dict[str, float] = {}
        for row, weight in zip(cells.rows, weights, strict=True):
            name = panel.variants[panel.variant[row]]
            totals[name] = totals.get(name, 0.0) + float(weight)
        used = {name: weight for name, weight in totals.items() if abs(weight) > 1e-12}
        found = cells.model.contrast(used)
        if found is not None:
            return found
    return cells.model.weighted(cells.rows, weights)


def _effect(
    measured: Measured,
    cells: Cells,
    key: tuple[Term, Levels],
    found: tuple[Examined | None, str],
    judged: Judged | None,
) -> Effect:
    (term, levels), (tested, note) = key, found
    nothing = Verdict(word=Word.INCONCLUSIVE, reason=note)
    return Effect(
        factors=term,
        terms=tuple(level for pair in levels for level in pair),
        metric=measured.primary.info.name,
        change=tested.interval if tested else None,
        p=tested.p if tested else None,
        p_adjusted=judged.p_adjusted if judged else None,
        verdict=judged.verdict if judged else nothing,
        cells=len(cells.present),
        planned_cells=len(cells.grid.cells),
        note=note,
        run_ids=_run_ids(measured, cells) if tested else (),
    )


def _run_ids(measured: Measured, cells: Cells) -> tuple[str, ...]:
    ids: Mapping[tuple[str, int | None], str] = {
        run.key: run.run_id for run in measured.sample.runs
    }
    panel = cells.model.panel
    keys = [(panel.variants[panel.variant[r]], panel.seeds[panel.seed[r]]) for r in cells.rows]
    return tuple(ids[key] for key in keys)
