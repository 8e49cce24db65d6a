"""Average training and validation curves over seeds at every step, with a band."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Literal, TypeVar

import numpy as np
from scipy import special

from tempo.comparison.evidence import Curve
from tempo.comparison.loading.load_runs import Run, Sample
from tempo.comparison.statistics.seed_source_matrix import Array
from tempo.records.events import Trained, Validated

Event = TypeVar("Event", Trained, Validated)

HEALTH = ("loss", "lr", "grad_norm", "clip_rate", "skipped", "step_ms", "samples_per_s")
"""Training metrics that say whether a run is well; loss terms are added."""


@dataclass(frozen=True)
class Series:
    """One seed's values of a quantity. `seconds` is NaN where the record does not say."""

    seed: int
    steps: Array
    epochs: Array
    seconds: Array
    values: Array


def validation(run: Run, name: str) -> Series | None:
    """Return a run's validation curve of a metric, or None when it has none."""
    events = run.record.validations if run.record else ()
    return _series(run, events, name, lambda each: each.seconds)


def training(run: Run, name: str) -> Series | None:
    """Return a run's training curve of a quantity, or None when it has none."""
    return _series(run, run.record.train if run.record else (), name, lambda _: nan)


def _series(
    run: Run, logged: Sequence[Event], name: str, seconds: Callable[[Event], float | None]
) -> Series | None:
    events = [each for each in logged if name in each.values]
    if not events or run.seed is None:
        return None
    columns = zip(
        *((each.step, each.epoch, seconds(each), each.values[name]) for each in events), strict=True
    )
    return Series(run.seed, *(np.array(column, dtype=float) for column in columns))


Split = Literal["train", "val"]
Read = Callable[[Run, str], Series | None]


def learning_curves(sample: Sample, metrics: Sequence[str]) -> tuple[Curve, ...]:
    """Return the validation curves of `metrics` of every trained variant."""
    return _curves(sample, metrics, "val", validation)


def health_curves(sample: Sample) -> tuple[Curve, ...]:
    """Return the training curves of loss, learning rate, gradients and speed."""
    seen: dict[str, None] = {}
    for run in sample.runs:
        first = run.record.train[:1] if run.record else ()
        seen |= dict.fromkeys(name for event in first for name in event.values)
    names = [name for name in seen if name in HEALTH or name.startswith("loss/")]
    return _curves(sample, names, "train", training)


def _curves(sample: Sample, names: Sequence[str], split: Split, read: Read) -> tuple[Curve, ...]:
    found = {name: by_seed(sample, name, read) for name in names}
    return tuple(
        _curve(variant.name, name, split, series, sample.query.level)
        for variant in sample.trained
        for name in names
        if (series := found[name][variant.name])
    )


def _curve(
    variant: str,
    name: str,
    split: Split,
    found: Sequence[Series],
    level: float,
) -> Curve:
    steps = np.unique(np.concatenate([series.steps for series in found]))
    grid = _grid(steps, found, "values")
    mean, low, high, counts = band(grid, level)
    return Curve(
        variant=variant,
        name=name,
        split=split,
        steps=tuple(int(step) for step in steps),
        epochs=_floats(_mean(_grid(steps, found, "epochs"))),
        seconds=_optional(_mean(_grid(steps, found, "seconds"))),
        mean=_floats(mean),
        low=_optional(low),
        high=_optional(high),
        counts=tuple(int(count) for count in counts),
        band=band_sentence(len(found), level),
        lines={}
        if split == "train"
        else {series.seed: _optional(row) for series, row in zip(found, grid, strict=True)},
    )


def _grid(steps: Array, found: Sequence[Series], field: str) -> Array:
    """Return (seeds, steps): each seed's values where it has them, NaN elsewhere."""
    grid = np.full((len(found), len(steps)), np.nan)
    for row, series in enumerate(found):
        grid[row, np.searchsorted(steps, series.steps)] = getattr(series, field)
    return grid


def _mean(grid: Array) -> Array:
    """Return the mean over seeds that have a value; NaN where none has."""
    counts = np.isfinite(grid).sum(axis=0)
    total = np.nansum(np.where(np.isfinite(grid), grid, np.nan), axis=0)
    return np.asarray(np.where(counts > 0, total / np.maximum(counts, 1), np.nan))


def band(grid: Array, level: float) -> tuple[Array, Array, Array, Array]:
    """Return mean, lower and upper bound, and number of seeds at each point of (seeds, points).

    With three seeds or more the band is the t interval of the mean, with two their range.
    """
    finite = np.isfinite(grid)
    counts = finite.sum(axis=0)
    mean = _mean(grid)
    spread = np.nansum(np.where(finite, (grid - mean) ** 2, 0.0), axis=0)
    df = np.maximum(counts - 1, 1)
    half = special.stdtrit(df, 0.5 + level / 2) * np.sqrt(spread / df / np.maximum(counts, 1))
    if len(grid) == 2:
        half = np.sqrt(spread / 2)
    half = np.where(counts > 1, half, np.nan)
    return mean, mean - half, mean + half, counts


def band_sentence(seeds: int, level: float) -> str:
    """Return what the band of so many seeds is."""
    if seeds == 1:
        return "one seed: no band"
    if seeds == 2:
        return "range of the two seeds"
    return f"{level:.0%} t interval of the mean over seeds"


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(values.tolist())


def _optional(values: Array) -> tuple[float | None, ...]:
    return tuple(None if isnan(each) else each for each in values.tolist())


def by_seed(sample: Sample, name: str, read: Read = validation) -> Mapping[str, list[Series]]:
    """Return the curves of a quantity of each trained variant, one a seed."""
    return {
        variant.name: [series for run in sample.of(variant.name) if (series := read(run, name))]
        for variant in sample.trained
    }
