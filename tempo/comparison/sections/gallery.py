"""Compare variants clip by clip: kept pictures, disagreements, and clips alike in a property."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tempo.comparison.clip_bins import MIN_CLIPS, bins
from tempo.comparison.evidence import ClipTable, Disagreement, GalleryClip, Picture, Stratum
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.clip_values import ClipValues
from tempo.comparison.loading.kept_pictures import KeptPictures
from tempo.comparison.loading.load_runs import Run
from tempo.comparison.statistics.quantities import Interval
from tempo.comparison.statistics.random_effects import Combination, RandomEffects
from tempo.comparison.statistics.seed_source_matrix import Mask

MOST = 5
"""Clips named per variant and direction."""


def gallery(study: FittedStudy, kept: KeptPictures) -> tuple[GalleryClip, ...]:
    """Return gallery clips, those first on which trained variants differ most."""
    first = kept.clips[kept.runs[0].run_id] if kept.runs else {}
    spread = _spread(study)
    made = [_clip(study, clip, kept, spread) for clip in first]
    made.sort(key=lambda each: -(each.spread if each.spread is not None else -np.inf))
    return tuple(made)


def _spread(study: FittedStudy) -> dict[str, float]:
    """Return the range of the primary metric over trained variants, by clip with finite values."""
    clips = study.clips
    known = clips.means(study.metric) if clips else {}
    means = [known[each.name] for each in study.sample.trained if each.name in known]
    means = [each for each in means if np.isfinite(each).any()]
    if clips is None or len(means) < 2:
        return {}
    stacked = np.stack(means)
    places = np.flatnonzero(np.isfinite(stacked).all(axis=0))
    spread = np.ptp(stacked[:, places], axis=0).tolist()
    return dict(zip([clips.clips[place] for place in places], spread, strict=True))


def disagreements(study: FittedStudy, kept: KeptPictures) -> tuple[Disagreement, ...]:
    """Return the clips on which each trained variant gains and loses most against the baseline."""
    clips, baseline, sign = study.clips, study.baseline, study.primary.sign
    means = clips.means(study.metric) if clips else {}
    if clips is None or baseline is None or baseline not in means:
        return ()
    pictured = {clip for found in kept.clips.values() for clip in found}
    found: list[Disagreement] = []
    for variant in (each.name for each in study.sample.trained if each.name in means):
        with np.errstate(invalid="ignore"):  # infinite on both sides: no number, left out below
            change = means[variant] - means[baseline]
        gain = sign * change
        places = np.flatnonzero(np.isfinite(gain))
        ranked = places[np.argsort(-gain[places], kind="stable")].tolist()
        gains = [place for place in ranked[:MOST] if gain[place] > 0]
        losses = [place for place in ranked[::-1][:MOST] if gain[place] < 0]
        found += [
            Disagreement(
                variant=variant,
                baseline=baseline,
                clip=clips.clips[place],
                source=clips.sources[place],
                difference=float(change[place]),
                pictured=clips.clips[place] in pictured,
            )
            for place in (*gains, *losses)
        ]
    return tuple(found)


def _clip(
    study: FittedStudy, clip: str, kept: KeptPictures, spread: Mapping[str, float]
) -> GalleryClip:
    found = [(run, kept.clips[run.run_id].get(clip)) for run in kept.runs]
    having = [(run, own) for run, own in found if own is not None]
    first = having[0][1]
    own = spread.get(clip)
    clips = study.clips if study.clips and clip in study.clips.clips else None
    place = clips.clips.index(clip) if clips else 0
    properties = clips.properties.items() if clips else ()
    return GalleryClip(
        clip=clip,
        source=clips.sources[place] if clips else "",
        properties={name: float(values[place]) for name, values in properties},
        inputs=first.inputs,
        target=first.target,
        pictures=tuple(
            Picture(
                variant=run.name,
                seed=run.seed,
                run_id=run.run_id,
                path=pictures.prediction,
                values=_values(clips, run, place),
            )
            for run, pictures in having
        ),
        spread=own,
        rank_overall=None if own is None else 1 + sum(other > own for other in spread.values()),
    )


def _values(clips: ClipValues | None, run: Run, place: int) -> dict[str, float]:
    if clips is None or run.key not in clips.keys:
        return {}
    row = clips.keys.index(run.key)
    return {name: float(values[row, place]) for name, values in clips.values.items()}


def strata(study: FittedStudy) -> tuple[Stratum, ...]:
    """Return the bins of the clips by every property that varies, lowest first."""
    clips = study.clips
    if clips is None or study.metric not in clips.values:
        return ()
    found = (
        _stratum(study, clips, name, low, high, inside)
        for name, values in clips.properties.items()
        for low, high, inside in bins(name, values)
    )
    return tuple(each for each in found if each)


def _stratum(
    study: FittedStudy, clips: ClipValues, by: str, low: float, high: float, inside: Mask
) -> Stratum | None:
    """Return a stratum over the clips that contrasts use; None of too few."""
    matrix = clips.matrix(study.metric, inside)
    if matrix is None or matrix.clips < MIN_CLIPS:
        return None
    model = RandomEffects(matrix)
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
        clips=matrix.clips,
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
