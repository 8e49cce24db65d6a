"""Average training and validation curves over seeds, and measure how fast variants learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import fmean, median, stdev
from typing import Literal

import numpy as np
from scipy import special

from tempo.comparison.evidence import Curve, Learning, Passing
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.load_runs import Run, Sample
from tempo.comparison.sections.milestones import borders, milestones
from tempo.comparison.statistics.quantities import Interval
from tempo.comparison.statistics.seed_source_matrix import Array
from tempo.records.memory.kept_curves import columns

HEALTH = ("loss", "lr", "grad_norm", "clip_rate", "skipped", "step_ms", "samples_per_s")
"""Training metrics that say whether a run is well; loss terms are added."""
PLATEAU_SHARE = 0.01
"""A plateau's tolerance as a share of the range, where no `equivalent` difference is stated."""


@dataclass(frozen=True)
class Series:
    """One seed's values of a quantity. `seconds` is NaN where the record does not say."""

    seed: int
    steps: Array
    epochs: Array
    seconds: Array
    values: Array


def validation(run: Run, name: str) -> Series | None:
    points = run.record.validations if run.record else ()
    return _series(run, columns(points, name, ("step", "epoch", "seconds")))


def training(run: Run, name: str) -> Series | None:
    points = run.record.train if run.record else ()
    steps, epochs, values = columns(points, name, ("step", "epoch"))
    return _series(run, (steps, epochs, [nan] * len(steps), values))


def _series(run: Run, found: Sequence[Sequence[float]]) -> Series | None:
    """Return steps, epochs, seconds and values as one seed's series; None without a point."""
    if not len(found[0]) or run.seed is None:
        return None
    return Series(run.seed, *(np.array(column, dtype=float) for column in found))


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
    found = {name: _by_seed(sample, name, read) for name in names}
    return tuple(
        _curve(variant.name, name, split, series, sample.query.coverage, borders(sample, variant))
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
    stages: Mapping[int, str],
) -> Curve:
    steps = np.unique(np.concatenate([series.steps for series in found]))
    grid = _grid(steps, found, "values")
    mean, low, high, counts = band(grid, level)
    return Curve(
        variant=variant,
        name=name,
        split=split,
        steps=tuple(int(step) for step in steps),
        epochs=tuple(_mean(_grid(steps, found, "epochs")).tolist()),
        seconds=_optional(_mean(_grid(steps, found, "seconds"))),
        mean=tuple(mean.tolist()),
        low=_optional(low),
        high=_optional(high),
        counts=tuple(int(count) for count in counts),
        band=band_sentence(len(found), level),
        stages=stages,
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
    if seeds == 1:
        return "one seed: no band"
    if seeds == 2:
        return "range of the two seeds"
    return f"{level:.0%} t interval of the mean over seeds"


def _optional(values: Array) -> tuple[float | None, ...]:
    return tuple(None if isnan(each) else each for each in values.tolist())


def by_seed(sample: Sample, name: str) -> Mapping[str, list[Series]]:
    """Return the validation curves of each trained variant, one a seed, where they are finite.

    A run that diverged for a while is judged by the points that are numbers.
    """
    found = _by_seed(sample, name, validation)
    return {
        variant: [part for series in own if (part := finite(series)) is not None]
        for variant, own in found.items()
    }


def finite(series: Series) -> Series | None:
    """Return the points of a curve that are numbers; None without one."""
    kept = np.isfinite(series.values)
    if not kept.any():
        return None
    found = (series.steps, series.epochs, series.seconds, series.values)
    return Series(series.seed, *(column[kept] for column in found))


def _by_seed(sample: Sample, name: str, read: Read) -> Mapping[str, list[Series]]:
    return {
        variant.name: [series for run in sample.of(variant.name) if (series := read(run, name))]
        for variant in sample.trained
    }


def learning(study: FittedStudy) -> tuple[Learning, ...]:
    """Return how fast every trained variant learns, by the primary metric on validation."""
    curves = by_seed(study.sample, study.metric)
    levels = _levels(study, curves)
    tolerance = study.primary.delta or _share(curves)
    return tuple(
        _learning(name, found, levels, tolerance, study) for name, found in curves.items() if found
    )


def _levels(study: FittedStudy, curves: Mapping[str, Sequence[Series]]) -> tuple[float, ...]:
    """Return the levels asked for, else where the baseline ends (mean over its seeds)."""
    asked = study.sample.query.passing
    if asked:
        return asked
    own = curves.get(study.baseline or "", ())
    return (fmean(float(series.values[-1]) for series in own),) if own else ()


def _share(curves: Mapping[str, Sequence[Series]]) -> float:
    seen = [each.values for found in curves.values() for each in found]
    return PLATEAU_SHARE * float(np.ptp(np.concatenate(seen))) if seen else 0.0


def _learning(
    name: str,
    found: Sequence[Series],
    levels: Sequence[float],
    tolerance: float,
    study: FittedStudy,
) -> Learning:
    settings = study.primary
    shown = f"{tolerance:g} {settings.info.unit}".strip()
    plateau = _plateau(found, tolerance, settings.sign)
    return Learning(
        variant=name,
        metric=settings.info.name,
        area=_area(found, settings.level),
        passings=tuple(_passing(found, level, settings.sign) for level in levels),
        plateau=plateau,
        plateau_epoch=_epoch_at(found, plateau),
        tolerance=tolerance,
        definition=(
            "Area: mean height of the validation curve over steps (trapezoids). First pass: the "
            "first validation at or beyond the level, median over the seeds that get there, when "
            f"at least half do. Plateau: the first validation after which the mean curve's best "
            f"value improves by at most {shown} in all."
        ),
        milestones=milestones(study.sample.done(name)),
    )


def _area(found: Sequence[Series], level: float) -> Interval | None:
    areas = [height(series.steps, series.values) for series in found if len(series.steps) > 1]
    if not areas:
        return None
    mean = fmean(areas)
    if len(areas) < 2:
        return Interval.of_one_seed(mean, level)
    se = stdev(areas) / math.sqrt(len(areas))
    return Interval.of_t(mean, se, len(areas) - 1, level=level, method="t over seeds")


def height(steps: Array, values: Array) -> float:
    """Return the mean height of a curve: its area by trapezoids over its span."""
    area = float(((values[1:] + values[:-1]) / 2 * np.diff(steps)).sum())
    return area / float(steps[-1] - steps[0])


def _passing(found: Sequence[Series], level: float, sign: int) -> Passing:
    steps, seconds = [], []
    for series in found:
        reached = np.flatnonzero(sign * series.values >= sign * level)
        if len(reached):
            steps.append(float(series.steps[reached[0]]))
            seconds.append(float(series.seconds[reached[0]]))
    enough = 2 * len(steps) >= len(found)
    return Passing(
        level=level,
        step=median(steps) if enough else None,
        seconds=median(seconds) if enough else None,
        passed=len(steps),
        seeds=len(found),
    )


def _plateau(found: Sequence[Series], tolerance: float, sign: int) -> int | None:
    """Return the plateau of the mean over seeds, at the steps that all of them have."""
    shared = found[0].steps
    for series in found[1:]:
        shared = np.intersect1d(shared, series.steps)
    if len(shared) < 2:
        return None
    rows = [series.values[np.searchsorted(series.steps, shared)] for series in found]
    mean = sign * np.mean(rows, axis=0)
    best = np.maximum.accumulate(mean)
    flat = np.flatnonzero(best[-1] - best <= tolerance)
    return None if flat[0] == len(shared) - 1 else int(shared[flat[0]])


def _epoch_at(found: Sequence[Series], step: int | None) -> float | None:
    """Return the passes over the data by a step that all seeds have, mean over the seeds."""
    if step is None:
        return None
    return fmean(float(each.epochs[np.searchsorted(each.steps, step)]) for each in found)
