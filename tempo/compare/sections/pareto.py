"""Quality against cost: which variants nothing beats on both, given the noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tempo.compare.comparison import Cost, Row
from tempo.compare.evidence import Pareto, ParetoPoint
from tempo.compare.statistics.fitted_study import Measured
from tempo.compare.statistics.random_effects import Crossed
from tempo.compare.statistics.seed_source_matrix import Array, Index

DRAWS = 1000
COSTS = {
    "parameters": "parameters",
    "macs": "MACs",
    "peak_memory": "bytes",
    "step_ms": "ms",
    "device_hours": "h",
}


def fronts(measured: Measured, table: Sequence[Row]) -> tuple[Pareto, ...]:
    """One front per cost that is recorded for at least two trained variants."""
    metric = measured.primary.info.name
    rows = [
        row
        for row in table
        if row.role != "reference" and metric in row.estimates and row.rank is not None
    ]
    if not rows:
        return ()
    drawn = draws(measured.model, [row.variant for row in rows]) if measured.model else None
    made = [_front(name, unit, rows, drawn, measured) for name, unit in COSTS.items()]
    return tuple(front for front in made if front)


def _front(
    name: str, unit: str, rows: Sequence[Row], drawn: Array | None, measured: Measured
) -> Pareto | None:
    terms = measured.primary
    cost = np.array([_amount(row.cost, name) for row in rows], dtype=float)
    keep = [int(index) for index in np.flatnonzero(np.isfinite(cost))]
    if len(keep) < 2:
        return None
    estimates = [rows[index].estimates[terms.info.name] for index in keep]
    means = np.array([each.mean for each in estimates])
    member = on_front(cost[keep], terms.sign * means[None])[0]
    noisy = means[None] if drawn is None else means + drawn[:, keep]
    chance = on_front(cost[keep], terms.sign * noisy).mean(axis=0)
    return Pareto(
        cost=name,
        unit=unit,
        metric=terms.info.name,
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
    """(draws, variants): whether no other variant costs no more and gains no less, and differs.

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


def draws(model: Crossed, variants: Sequence[str]) -> Array:
    """(DRAWS, variants): how far each variant's mean may lie from its estimate.

    Seeds move every variant by itself; a new draw of sources moves all variants together.
    """
    rng = np.random.default_rng(5)
    panel = model.panel
    variance, _ = model.pooled_seed
    counts = np.array([max(len(panel.seeds_of(name)), 1) for name in variants])
    moved = rng.normal(size=(DRAWS, len(variants))) * np.sqrt(variance / counts)
    if not panel.samples_clips:
        return np.asarray(moved)
    parts = np.stack([panel.parts[_rows(model, name)].mean(axis=0) for name in variants])
    picks = rng.multinomial(panel.sources, np.full(panel.sources, 1 / panel.sources), DRAWS)
    drawn = picks / panel.sources
    total = (drawn @ parts.T) / (drawn @ panel.weights)[:, None]
    return np.asarray(moved + total - parts.sum(axis=1))


def _rows(model: Crossed, name: str) -> Index:
    index = model.panel.variants.index(name)
    return np.flatnonzero(model.panel.variant == index)
