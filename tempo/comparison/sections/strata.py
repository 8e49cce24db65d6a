"""Compare variants on clips alike in motion, occlusion or another recorded property."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tempo.comparison.evidence import ClipTable, Stratum
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.clip_values import ClipValues
from tempo.comparison.statistics.quantities import Interval
from tempo.comparison.statistics.random_effects import Combination, RandomEffects
from tempo.comparison.statistics.seed_source_matrix import Array, Mask, matrix_of

BINS = 4
MIN_CLIPS = 4
"""A stratum of fewer clips says nothing."""


def strata(study: FittedStudy) -> tuple[Stratum, ...]:
    """Return quarters of the clips by every property that varies, lowest first."""
    clips = study.clips
    if clips is None or study.metric not in clips.values:
        return ()
    return tuple(
        _stratum(study, clips, name, low, high, inside)
        for name, values in clips.properties.items()
        for low, high, inside in _quarters(values)
    )


def _quarters(values: Array) -> list[tuple[float, float, Mask]]:
    """Return bounds and clips of up to `BINS` equally full bins, fewer where values are equal."""
    known = values[np.isfinite(values)]
    if len(known) < 2 * MIN_CLIPS or np.ptp(known) == 0:
        return []
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    found = []
    for place, (low, high) in enumerate(pairwise(edges)):
        last = place == len(edges) - 2
        inside = (values >= low) & ((values <= high) if last else (values < high))
        if inside.sum() >= MIN_CLIPS:
            found.append((float(low), float(high), inside))
    return found


def _stratum(
    study: FittedStudy, clips: ClipValues, by: str, low: float, high: float, inside: Mask
) -> Stratum:
    values = clips.values[study.metric]
    inside = np.asarray(inside & np.isfinite(values).all(axis=0))
    sources = [source for source, keep in zip(clips.sources, inside, strict=True) if keep]
    model = RandomEffects(matrix_of(clips.keys, values[:, inside], sources, clips.origins))
    names = model.matrix.variants
    level = study.primary.level
    baseline = study.baseline
    differences = {
        name: _interval(model.contrast({name: 1.0, baseline: -1.0}), level)
        for name in names
        if baseline in names and baseline is not None and name != baseline
    }
    return Stratum(
        by=by,
        label=f"{by} {low:.3g} to {high:.3g}",
        low=low,
        high=high,
        clips=int(inside.sum()),
        metric=study.metric,
        values={name: _mean(model, name, level) for name in names},
        differences={name: each for name, each in differences.items() if each},
    )


def _mean(model: RandomEffects, name: str, level: float) -> Interval:
    found = _interval(model.contrast({name: 1.0}), level)
    means = model.matrix.means[model.matrix.rows_of(name)]
    return found or Interval(value=float(means.mean()), level=level)


def _interval(found: Combination | None, level: float) -> Interval | None:
    if found is None:
        return None
    parts = found.parts
    if not parts.seed_df or not np.isfinite(parts.seed) or parts.variance <= 0:
        return Interval.of_one_seed(found.value, level)
    method = "random effects, Satterthwaite t; not corrected for the number of strata"
    return Interval.of_t(found.value, parts.se, parts.df, level=level, method=method)


def clip_table(clips: ClipValues | None, metrics: Sequence[str]) -> ClipTable | None:
    """Return per-clip means over the seeds of each variant."""
    if clips is None:
        return None
    return ClipTable(
        clips=clips.clips,
        sources=clips.sources,
        properties={name: tuple(value.tolist()) for name, value in clips.properties.items()},
        values={
            metric: {name: tuple(mean.tolist()) for name, mean in clips.means(metric).items()}
            for metric in metrics
            if metric in clips.values
        },
    )
