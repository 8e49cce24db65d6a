"""Find the Pareto front of quality and cost, and the chance to be on it, given the noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tempo.comparison.comparison import Cost, Row
from tempo.comparison.evidence import Pareto, ParetoPoint
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import Array

DRAWS = 1000
COSTS = {
    "parameters": "parameters",
    "macs": "MACs",
    "peak_memory": "bytes",
    "step_ms": "ms",
    "device_hours": "h",
}


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
    cost = np.array([_amount(row.cost, name) for row in rows], dtype=float)
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


def _amount(cost: Cost, name: str) -> float:
    value = getattr(cost, name)
    return float("nan") if value is None else float(value)


def on_front(cost: Array, gain: Array) -> Array:
    """Return (draws, variants): whether no other variant costs no more, gains no less and differs.

    Args:
        cost: (variants,) lower is better.
        gain: (draws, variants) higher is better.
    """
    order = np.lexsort((cost,))
    member = np.ones(gain.shape, dtype=bool)
    for index in order:
        no_more = cost <= cost[index]
        no_less = gain >= gain[:, [index]]
        better = (cost < cost[index])[None] | (gain > gain[:, [index]])
        member[:, index] = ~(no_more[None] & no_less & better).any(axis=1)
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
