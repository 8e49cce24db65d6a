"""All variants at one equal budget: steps, wall-clock, device hours, parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import numpy as np

from tempo.compare.comparison import Row
from tempo.compare.evidence import BudgetView
from tempo.compare.loading.load_runs import Run, Sample
from tempo.compare.sections.costs import device_hours
from tempo.compare.sections.curves import Series, validation
from tempo.compare.sections.table import estimate_of
from tempo.compare.statistics.fitted_study import Measured
from tempo.compare.statistics.quantities import Estimate

PARAMETER_MARGIN = 0.05
"""Variants within this share of the baseline's parameters count as equally large."""

Spent = Callable[[Run, Series], np.ndarray]


def budget_views(measured: Measured, table: Sequence[Row]) -> tuple[BudgetView, ...]:
    """The views that the records allow; one that says nothing new is still there."""
    sample = measured.sample
    kinds: list[tuple[str, str, Spent]] = [
        ("steps", "steps", lambda _, series: series.steps),
        ("wall-clock", "s", lambda _, series: series.seconds),
        ("device-hours", "h", _hours),
    ]
    views = [_spent(sample, measured, name, unit, spent) for name, unit, spent in kinds]
    views.append(_parameters(measured, table))
    return tuple(view for view in views if view)


def _hours(run: Run, series: Series) -> np.ndarray:
    """Device hours at each validation: the run's total in proportion to its training time."""
    total, end = device_hours(run), float(series.seconds[-1])
    if not total or not run.record or run.record.train_seconds <= 0 or end <= 0:
        return np.full(len(series.steps), np.nan)
    return series.seconds * total / run.record.train_seconds


def _spent(
    sample: Sample, measured: Measured, name: str, unit: str, spent: Spent
) -> BudgetView | None:
    """At the largest amount that every variant's finished runs reach, on average."""
    info = measured.primary.info
    found: dict[str, list[tuple[Run, Series, np.ndarray]]] = {}
    for run in sample.runs:
        series = validation(run, info.name) if run.values else None
        if series is not None:
            found.setdefault(run.name, []).append((run, series, spent(run, series)))
    ends = {key: fmean(float(each[2][-1]) for each in runs) for key, runs in found.items()}
    ends = {key: end for key, end in ends.items() if np.isfinite(end)}
    if len(ends) < 2:
        return None
    at = min(ends.values())
    shortest = min(ends, key=lambda key: ends[key])
    level = sample.query.level
    mid = any(end > at * 1.001 for end in ends.values())
    note = f"the amount that {shortest} spent in all, the least of the variants"
    if mid:
        note += "; the others are read mid-schedule there, with their learning rate still high"
    return BudgetView(
        budget=name,
        at=at,
        unit=unit,
        metric=info.name,
        split="val",
        values={
            variant.name: _at(found.get(variant.name, []), at, info.name, level, sample)
            for variant in sample.trained
        },
        note=note,
    )


def _at(
    runs: Sequence[tuple[Run, Series, np.ndarray]],
    at: float,
    metric: str,
    level: float,
    sample: Sample,
) -> Estimate | None:
    """The last validation at or before the amount, per seed; a per mille over still counts."""
    read = []
    for run, series, amount in runs:
        before = np.flatnonzero(amount <= at * 1.001)
        if len(before):
            read.append((run, float(series.values[before[-1]])))
    if not read:
        return None
    return estimate_of(
        metric,
        [run.seed for run, _ in read],
        [value for _, value in read],
        [run.run_id for run, _ in read],
        len(sample.of(read[0][0].name)),
        level,
    )


def _parameters(measured: Measured, table: Sequence[Row]) -> BudgetView | None:
    """Final values of the variants about as large as the baseline; None for the others."""
    sizes: Mapping[str, int] = {
        row.variant: row.cost.parameters for row in table if row.cost.parameters
    }
    own = sizes.get(measured.baseline or "")
    if own is None:
        return None
    metric = measured.primary.info.name
    alike = {name for name, size in sizes.items() if abs(size - own) <= PARAMETER_MARGIN * own}
    return BudgetView(
        budget="parameters",
        at=float(own),
        unit="parameters",
        metric=metric,
        split="test" if measured.sample.query.at.kind == "final" else "val",
        values={
            row.variant: row.estimates.get(metric) if row.variant in alike else None
            for row in table
            if row.role != "reference"
        },
        note=f"variants within {PARAMETER_MARGIN:.0%} of the baseline's parameters; "
        f"the others are larger or smaller and left out",
    )
