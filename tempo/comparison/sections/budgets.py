"""Read all variants at one equal budget, and find the Pareto fronts of quality and cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import numpy as np

from tempo.comparison.comparison import Row
from tempo.comparison.evidence import BudgetView, Pareto, ParetoPoint
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.load_runs import Run
from tempo.comparison.sections.curves import Series, finite, validation
from tempo.comparison.sections.table import estimate_of
from tempo.comparison.statistics.quantities import Estimate
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import Array

PARAMETER_MARGIN = 0.05
"""Variants within this share of the baseline's parameters count as equally large."""

DRAWS = 1000
COSTS = {
    "parameters": "parameters",
    "macs": "MACs",
    "peak_memory": "bytes",
    "step_ms": "ms",
    "device_hours": "h",
    "latency_ms": "ms",
}

Spent = Callable[[Run, Series], np.ndarray]


def budget_views(study: FittedStudy, table: Sequence[Row]) -> tuple[BudgetView, ...]:
    """Return the views that the records allow; one that says nothing new is still there."""
    kinds: list[tuple[str, str, Spent]] = [
        ("steps", "steps", lambda _, series: series.steps),
        ("wall-clock", "s", lambda _, series: series.seconds),
        ("device-hours", "h", _hours),
    ]
    views = [*(_spent(study, *kind) for kind in kinds), _parameters(study, table)]
    return tuple(view for view in views if view)


def _hours(run: Run, series: Series) -> np.ndarray:
    """Return device-hours at each validation: the total in proportion to the training time."""
    record, end = run.record, float(series.seconds[-1])
    if not record or not record.device_hours or record.train_seconds <= 0 or end <= 0:
        return np.full(len(series.steps), np.nan)
    return series.seconds * record.device_hours / record.train_seconds


def _spent(study: FittedStudy, name: str, unit: str, spent: Spent) -> BudgetView | None:
    """Return the view at the largest amount that every variant's finished runs reach on average."""
    sample, metric = study.sample, study.metric
    found: dict[str, list[tuple[Run, Series, np.ndarray]]] = {}
    for run in sample.runs:
        whole = validation(run, metric) if run.values else None
        series = finite(whole) if whole is not None else None
        if series is not None:
            found.setdefault(run.name, []).append((run, series, spent(run, series)))
    ends = {key: fmean(float(each[2][-1]) for each in runs) for key, runs in found.items()}
    ends = {key: end for key, end in ends.items() if np.isfinite(end)}
    if len(ends) < 2:
        return None
    at = min(ends.values())
    shortest = min(ends, key=lambda key: ends[key])
    note = f"the amount that {shortest} spent in all, the least of the variants"
    if any(end > at * 1.001 for end in ends.values()):
        note += "; the others are read mid-schedule there, with their learning rate still high"
    return BudgetView(
        budget=name,
        at=at,
        unit=unit,
        metric=metric,
        split="val",
        values={
            variant.name: _at(study, found.get(variant.name, []), at) for variant in sample.trained
        },
        note=note,
    )


def _at(
    study: FittedStudy, runs: Sequence[tuple[Run, Series, np.ndarray]], at: float
) -> Estimate | None:
    """Return the last validation up to the amount, per seed; a per mille over still counts."""
    read = []
    for run, series, amount in runs:
        before = np.flatnonzero(amount <= at * 1.001)
        if len(before):
            read.append((run, float(series.values[before[-1]])))
    if not read:
        return None
    planned = len(study.sample.of(read[0][0].name))
    return estimate_of(study.metric, read, planned, study.sample.query.coverage)


def _parameters(study: FittedStudy, table: Sequence[Row]) -> BudgetView | None:
    """Return final values of the variants about as large as the baseline; None for the others."""
    sizes: Mapping[str, int] = {
        row.variant: row.cost.parameters for row in table if row.cost.parameters
    }
    own = sizes.get(study.baseline or "")
    if own is None:
        return None
    alike = {name for name, size in sizes.items() if abs(size - own) <= PARAMETER_MARGIN * own}
    return BudgetView(
        budget="parameters",
        at=float(own),
        unit="parameters",
        metric=study.metric,
        split="test" if study.sample.query.at.kind == "final" else "val",
        values={
            row.variant: row.estimates.get(study.metric) if row.variant in alike else None
            for row in table
            if row.role != "reference"
        },
        note=f"variants within {PARAMETER_MARGIN:.0%} of the baseline's parameters; "
        f"the others are larger or smaller and left out",
    )


def pareto_fronts(study: FittedStudy, table: Sequence[Row]) -> tuple[Pareto, ...]:
    """Return one front per cost that is recorded for at least two trained variants."""
    rows = [
        row
        for row in table
        if row.role != "reference" and study.metric in row.estimates and row.rank is not None
    ]
    if not rows:
        return ()
    drawn = draws(study.model, [row.variant for row in rows]) if study.model else None
    made = [_front(name, unit, rows, drawn, study) for name, unit in COSTS.items()]
    return tuple(front for front in made if front)


def _front(
    name: str, unit: str, rows: Sequence[Row], drawn: Array | None, study: FittedStudy
) -> Pareto | None:
    sign = study.primary.sign
    cost = np.array([getattr(row.cost, name) for row in rows], dtype=float)  # None becomes NaN
    keep = [int(index) for index in np.flatnonzero(np.isfinite(cost))]
    if len(keep) < 2:
        return None
    estimates = [rows[index].estimates[study.metric] for index in keep]
    means = np.array([each.mean for each in estimates])
    member = on_front(cost[keep], sign * means[None])[0]
    noisy = means[None] if drawn is None else means + drawn[:, keep]
    chance = on_front(cost[keep], sign * noisy).mean(axis=0)
    return Pareto(
        cost=name,
        unit=unit,
        metric=study.metric,
        points=tuple(
            ParetoPoint(
                variant=rows[index].variant,
                cost=float(cost[index]),
                value=estimate.mean,
                low=estimate.low,
                high=estimate.high,
                member=bool(inside),
                probability=float(share),
            )
            for index, estimate, inside, share in zip(keep, estimates, member, chance, strict=True)
        ),
    )


def on_front(cost: Array, gain: Array) -> Array:
    """Return (draws, variants): whether no other variant costs no more, gains no less and differs.

    Args:
        cost: (variants,) lower is better.
        gain: (draws, variants) higher is better.
    """
    member = np.ones(gain.shape, dtype=bool)
    cheaper = np.full((len(gain), 1), np.nan)  # the most that anything cheaper gains
    for price in np.unique(cost):
        alike = np.flatnonzero(cost == price)
        own = gain[:, alike]
        most = np.fmax.reduce(own, axis=1, keepdims=True)
        member[:, alike] = ~((cheaper >= own) | (most > own))
        cheaper = np.fmax(cheaper, most)
    return member


def draws(model: RandomEffects, variants: Sequence[str]) -> Array:
    """Return (DRAWS, variants): how far each variant's mean may lie from its estimate.

    Seeds move every variant by itself; a new draw of sources moves all variants together.
    """
    rng = np.random.default_rng(5)
    matrix = model.matrix
    variance, _ = model.pooled_seed
    counts = np.array([max(len(matrix.seeds_of(name)), 1) for name in variants])
    moved = rng.normal(size=(DRAWS, len(variants))) * np.sqrt(variance / counts)
    if not matrix.samples_clips:
        return np.asarray(moved)
    parts = np.stack([matrix.parts[matrix.rows_of(name)].mean(axis=0) for name in variants])
    picks = rng.multinomial(matrix.sources, np.full(matrix.sources, 1 / matrix.sources), DRAWS)
    drawn = picks / matrix.sources
    total = (drawn @ parts.T) / (drawn @ matrix.weights)[:, None]
    return np.asarray(moved + total - parts.sum(axis=1))
