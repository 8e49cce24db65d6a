"""Where variants differ: clips alike in motion, occlusion or another recorded property."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tempo.compare.evidence import ClipTable, Stratum
from tempo.compare.loading.clip_values import Clips
from tempo.compare.statistics import student_t as student
from tempo.compare.statistics.fitted_study import Measured
from tempo.compare.statistics.quantities import Interval
from tempo.compare.statistics.random_effects import Crossed, Linear
from tempo.compare.statistics.seed_source_matrix import Array, Mask, panel_of

BINS = 4
MIN_CLIPS = 4
"""A stratum of fewer clips says nothing."""


def strata(measured: Measured) -> tuple[Stratum, ...]:
    """Quarters of the clips by every property that varies, lowest first."""
    clips = measured.clips
    metric = measured.primary.info.name
    if clips is None or metric not in clips.values:
        return ()
    made = []
    for name, values in clips.properties.items():
        for low, high, inside in _quarters(values):
            made.append(_stratum(measured, clips, name, low, high, inside))
    return tuple(made)


def _quarters(values: Array) -> list[tuple[float, float, Mask]]:
    """Bounds and clips of up to `BINS` equally full bins; fewer where many values are equal."""
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
    measured: Measured, clips: Clips, by: str, low: float, high: float, inside: Mask
) -> Stratum:
    metric = measured.primary.info.name
    values = clips.values[metric]
    inside = np.asarray(inside & np.isfinite(values).all(axis=0))
    sources = [source for source, keep in zip(clips.sources, inside, strict=True) if keep]
    model = Crossed(panel_of(clips.keys, values[:, inside], sources, clips.origins))
    names = model.panel.variants
    level = measured.primary.level
    baseline = measured.baseline
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
        metric=metric,
        values={name: _mean(model, name, level) for name in names},
        differences={name: each for name, each in differences.items() if each},
    )


def _mean(model: Crossed, name: str, level: float) -> Interval:
    panel = model.panel
    rows = np.flatnonzero(panel.variant == panel.variants.index(name))
    found = _interval(model.contrast({name: 1.0}), level)
    return found or Interval(value=float(panel.means[rows].mean()), level=level, method="")


def _interval(linear: Linear | None, level: float) -> Interval | None:
    if linear is None:
        return None
    parts = linear.parts
    if not parts.seed_df or not np.isfinite(parts.seed) or parts.variance <= 0:
        return Interval(value=linear.value, level=level, method="one seed: no interval")
    half = student.half_width(parts, level)
    return Interval(
        value=linear.value,
        low=linear.value - half,
        high=linear.value + half,
        level=level,
        se=parts.se,
        df=parts.df,
        method="random effects, Satterthwaite t; not corrected for the number of strata",
    )


def clip_table(clips: Clips | None, metrics: Sequence[str]) -> ClipTable | None:
    """Per-clip means over the seeds of each variant."""
    if clips is None:
        return None
    names = list(dict.fromkeys(name for name, _ in clips.keys))
    index = np.array([names.index(name) for name, _ in clips.keys])
    return ClipTable(
        clips=clips.clips,
        sources=clips.sources,
        properties={name: tuple(value.tolist()) for name, value in clips.properties.items()},
        values={
            metric: {
                name: tuple(clips.values[metric][index == place].mean(axis=0).tolist())
                for place, name in enumerate(names)
            }
            for metric in metrics
            if metric in clips.values
        },
    )
