"""List the kept pictures of every variant, clip by clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from tempo.comparison.evidence import Disagreement, GalleryClip, Picture
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.clip_values import ClipValues
from tempo.comparison.loading.load_runs import Run, Sample
from tempo.comparison.statistics.seed_source_matrix import Array

Entry = Mapping[str, str]

MOST = 5
"""Clips named per variant and direction."""


def gallery(study: FittedStudy) -> tuple[GalleryClip, ...]:
    """Return gallery clips, those first on which trained variants differ most.

    One seed is shown throughout, the one that most variants have; a variant without it is shown
    by its first finished seed, and the picture says so.
    """
    sample = study.sample
    shown = _shown(sample)
    entries = {run.run_id: _entries(run) for run in shown}
    first = entries[shown[0].run_id] if shown else {}
    spread = _spread(study)
    made = [_clip(study, clip, shown, entries, spread) for clip in first]
    made.sort(key=lambda each: -(each.spread if each.spread is not None else -np.inf))
    return tuple(made)


def _shown(sample: Sample) -> list[Run]:
    """Return one run a variant, in design order, of those that kept pictures."""
    kept = [run for run in sample.runs if run.values and _entries(run)]
    votes = Counter(run.seed for run in kept if run.seed is not None)
    chosen = max(votes, key=lambda seed: (votes[seed], -seed)) if votes else None
    found = []
    for variant in sample.variants:
        mine = [run for run in kept if run.name == variant.name]
        mine.sort(key=lambda run: run.seed not in (chosen, None))
        found += mine[:1]
    return found


def _entries(run: Run) -> dict[str, Entry]:
    return {entry["clip"]: entry for entry in run.test.gallery} if run.test else {}


def _spread(study: FittedStudy) -> dict[str, float]:
    """Return the range of the primary metric over trained variants, by clip, for all clips."""
    clips = study.clips
    known = clips.means(study.metric) if clips else {}
    means = [known[each.name] for each in study.sample.trained if each.name in known]
    if clips is None or len(means) < 2:
        return {}
    return dict(zip(clips.clips, np.ptp(means, axis=0).tolist(), strict=True))


def disagreements(study: FittedStudy) -> tuple[Disagreement, ...]:
    """Return the clips on which each trained variant gains and loses most against the baseline."""
    clips, baseline, sign = study.clips, study.baseline, study.primary.sign
    means = clips.means(study.metric) if clips else {}
    if clips is None or baseline is None or baseline not in means:
        return ()
    pictured = {clip for run in _shown(study.sample) for clip in _entries(run)}
    return tuple(
        each
        for variant in [trained.name for trained in study.sample.trained]
        if variant in means and variant != baseline
        for each in _extremes(
            clips, variant, baseline, means[variant] - means[baseline], sign, pictured
        )
    )


def _extremes(
    clips: ClipValues, variant: str, baseline: str, change: Array, sign: int, pictured: set[str]
) -> list[Disagreement]:
    finite = [int(place) for place in np.flatnonzero(np.isfinite(change))]
    finite.sort(key=lambda place: -sign * change[place])
    gains = [place for place in finite[:MOST] if sign * change[place] > 0]
    losses = [place for place in finite[::-1][:MOST] if sign * change[place] < 0]
    return [
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


def _clip(
    study: FittedStudy,
    clip: str,
    shown: list[Run],
    entries: Mapping[str, Mapping[str, Entry]],
    spread: Mapping[str, float],
) -> GalleryClip:
    having = [run for run in shown if clip in entries[run.run_id]]
    first, entry = having[0], entries[having[0].run_id][clip]
    inputs = sorted((key for key in entry if key.startswith("input")), key=lambda k: (len(k), k))
    own = spread.get(clip)
    clips = study.clips
    place = clips.clips.index(clip) if clips and clip in clips.clips else None
    return GalleryClip(
        clip=clip,
        source=clips.sources[place] if clips and place is not None else "",
        properties={
            name: float(values[place])
            for name, values in (clips.properties.items() if clips and place is not None else ())
        },
        inputs=tuple(first.folder / entry[key] for key in inputs),
        target=first.folder / entry["target"],
        pictures=tuple(
            Picture(
                variant=run.name,
                seed=run.seed,
                run_id=run.run_id,
                path=run.folder / entries[run.run_id][clip]["prediction"],
                values=_values(clips, run, place),
            )
            for run in having
        ),
        spread=own,
        rank_overall=None if own is None else 1 + sum(other > own for other in spread.values()),
    )


def _values(clips: ClipValues | None, run: Run, place: int | None) -> dict[str, float]:
    if clips is None or place is None or run.key not in clips.keys:
        return {}
    row = clips.keys.index(run.key)
    return {name: float(values[row, place]) for name, values in clips.values.items()}
