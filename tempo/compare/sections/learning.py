"""How fast variants learn: area under the curve, first passes of a level, plateaus."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev

import numpy as np

from tempo.compare.evidence import Learning, Passing
from tempo.compare.sections.curves import Series, by_seed
from tempo.compare.sections.milestones import milestones
from tempo.compare.statistics import student_t as student
from tempo.compare.statistics.fitted_study import Measured
from tempo.compare.statistics.quantities import Interval
from tempo.compare.statistics.seed_source_matrix import Array

PLATEAU_SHARE = 0.01
"""A plateau's tolerance as a share of the range, where no `equivalent` difference is stated."""


def learning(measured: Measured) -> tuple[Learning, ...]:
    """Speed of learning of every trained variant in the primary metric, on validation."""
    terms = measured.primary
    curves = by_seed(measured.sample, terms.info.name)
    levels = _levels(measured, curves)
    tolerance = terms.delta or _share(curves)
    return tuple(
        _learning(name, found, levels, tolerance, measured)
        for name, found in curves.items()
        if found
    )


def _levels(measured: Measured, curves: Mapping[str, Sequence[Series]]) -> tuple[float, ...]:
    """The levels asked for, else where the baseline ends (mean over its seeds)."""
    asked = measured.sample.query.passing
    if asked:
        return asked
    own = curves.get(measured.baseline or "", ())
    return (fmean(float(series.values[-1]) for series in own),) if own else ()


def _share(curves: Mapping[str, Sequence[Series]]) -> float:
    seen = [each.values for found in curves.values() for each in found]
    return PLATEAU_SHARE * float(np.ptp(np.concatenate(seen))) if seen else 0.0


def _learning(
    name: str,
    found: Sequence[Series],
    levels: Sequence[float],
    tolerance: float,
    measured: Measured,
) -> Learning:
    terms = measured.primary
    shown = f"{tolerance:g} {terms.info.unit}".strip()
    return Learning(
        variant=name,
        metric=terms.info.name,
        area=_area(found, terms.level),
        passings=tuple(_passing(found, level, terms.sign) for level in levels),
        plateau=_plateau(found, tolerance, terms.sign),
        tolerance=tolerance,
        definition=(
            "Area: mean height of the validation curve over steps (trapezoids). First pass: the "
            "first validation at or beyond the level, median over the seeds that get there, when "
            f"at least half do. Plateau: the first validation after which the mean curve's best "
            f"value improves by at most {shown} in all."
        ),
        milestones=milestones(measured.sample.done(name)),
    )


def _area(found: Sequence[Series], level: float) -> Interval | None:
    areas = [height(series.steps, series.values) for series in found if len(series.steps) > 1]
    if not areas:
        return None
    mean = fmean(areas)
    if len(areas) < 2:
        return Interval(value=mean, level=level, method="one seed: no interval")
    se = stdev(areas) / math.sqrt(len(areas))
    half = student.quantile(0.5 + level / 2, len(areas) - 1) * se
    return Interval(
        value=mean,
        low=mean - half,
        high=mean + half,
        level=level,
        se=se,
        df=len(areas) - 1,
        method="t over seeds",
    )


def height(steps: Array, values: Array) -> float:
    """The mean height of a curve: its area by trapezoids over its span."""
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
    """On the mean over seeds, at the steps that all of them have."""
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
