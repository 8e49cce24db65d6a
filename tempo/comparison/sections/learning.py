"""Measure how fast variants learn: area under the curve, first passes of a level, plateaus."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev

import numpy as np

from tempo.comparison.evidence import Learning, Milestone, Passing
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.load_runs import Run
from tempo.comparison.sections.curves import Series, by_seed
from tempo.comparison.statistics.quantities import Interval
from tempo.comparison.statistics.seed_source_matrix import Array

PLATEAU_SHARE = 0.01
"""A plateau's tolerance as a share of the range, where no `equivalent` difference is stated."""

NOTED = "milestones"
"""The topic of the notes in which runs record points of their own learning curve."""

_AT_EPOCH = re.compile(r"psnr_at_epoch_(\d+)")
_PLATEAU = {
    "plateau_epoch": ("plateau from epoch", ""),
    "plateau_psnr": ("PSNR where the plateau begins", "dB"),
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
    return Learning(
        variant=name,
        metric=settings.info.name,
        area=_area(found, settings.level),
        passings=tuple(_passing(found, level, settings.sign) for level in levels),
        plateau=_plateau(found, tolerance, settings.sign),
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


def milestones(runs: Sequence[Run]) -> tuple[Milestone, ...]:
    """Return means over the runs of a variant that noted milestones; epochs first, in order."""
    seen: dict[str, list[float]] = {}
    for run in runs:
        notes = [note for note in (run.record.notes if run.record else ()) if note.topic == NOTED]
        # A resumed run may have noted its milestones before: its last note counts.
        for key, value in (notes[-1].values if notes else {}).items():
            if _named(key):
                seen.setdefault(key, []).append(float(value))
    return tuple(
        Milestone(name=name, value=fmean(seen[key]), unit=unit, seeds=len(seen[key]))
        for key in sorted(seen, key=_rank)
        for name, unit in [_named(key) or ("", "")]
    )


def _named(key: str) -> tuple[str, str] | None:
    epoch = _AT_EPOCH.fullmatch(key)
    return (f"PSNR at epoch {epoch[1]}", "dB") if epoch else _PLATEAU.get(key)


def _rank(key: str) -> tuple[int, int]:
    epoch = _AT_EPOCH.fullmatch(key)
    return (0, int(epoch[1])) if epoch else (1, list(_PLATEAU).index(key))
