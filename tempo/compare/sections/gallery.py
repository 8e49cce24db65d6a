"""The kept pictures of every variant, clip by clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tempo.compare.evidence import Disagreement, GalleryClip, Picture
from tempo.compare.loading.clip_values import Clips
from tempo.compare.loading.load_runs import Run, Sample
from tempo.compare.statistics.fitted_study import Measured
from tempo.compare.statistics.seed_source_matrix import Array

Entry = Mapping[str, str]


def gallery(measured: Measured) -> tuple[GalleryClip, ...]:
    """Gallery clips, those first on which trained variants differ most.

    One seed is shown throughout, the one that most variants have; a variant without it is shown
    by its first finished seed, and the picture says so.
    """
    sample = measured.sample
    shown = _shown(sample)
    entries = {run.run_id: _entries(run) for run in shown}
    first = entries[shown[0].run_id] if shown else {}
    spread = _spread(measured)
    made = [_clip(measured, clip, shown, entries, spread) for clip in first]
    made.sort(key=lambda each: -(each.spread if each.spread is not None else -np.inf))
    return tuple(made)


def _shown(sample: Sample) -> list[Run]:
    """One run a variant, in design order, of those that kept pictures."""
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
    test = run.record.test if run.record else None
    return {entry["clip"]: entry for entry in test.gallery} if test else {}


def _spread(measured: Measured) -> dict[str, float]:
    """Range of the primary metric over trained variants, by clip, over all clips."""
    clips = measured.clips
    metric = measured.primary.info.name
    if clips is None or metric not in clips.values:
        return {}
    trained = [variant.name for variant in measured.sample.trained]
    names = np.array([name for name, _ in clips.keys])
    present = [name for name in trained if (names == name).any()]
    means = np.array([clips.values[metric][names == name].mean(axis=0) for name in present])
    if len(present) < 2:
        return {}
    return dict(zip(clips.clips, (means.max(axis=0) - means.min(axis=0)).tolist(), strict=True))


MOST = 5
"""Clips named per variant and direction."""


def disagreements(measured: Measured) -> tuple[Disagreement, ...]:
    """Over all clips, where each trained variant gains and loses most against the baseline."""
    clips, baseline = measured.clips, measured.baseline
    metric, sign = measured.primary.info.name, measured.primary.sign
    if clips is None or metric not in clips.values:
        return ()
    names = np.array([name for name, _ in clips.keys])
    pictured = {clip for run in _shown(measured.sample) for clip in _entries(run)}
    made: list[Disagreement] = []
    for variant in measured.sample.trained:
        if baseline in names and variant.name in names and variant.name != baseline:
            means = [
                clips.values[metric][names == each].mean(axis=0)
                for each in (variant.name, baseline)
            ]
            made += _extremes(
                clips, variant.name, str(baseline), means[0] - means[1], sign, pictured
            )
    return tuple(made)


def _extremes(
    clips: Clips, variant: str, baseline: str, change: Array, sign: int, pictured: set[str]
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
    measured: Measured,
    clip: str,
    shown: list[Run],
    entries: Mapping[str, Mapping[str, Entry]],
    spread: Mapping[str, float],
) -> GalleryClip:
    having = [run for run in shown if clip in entries[run.run_id]]
    first, entry = having[0], entries[having[0].run_id][clip]
    inputs = sorted((key for key in entry if key.startswith("input")), key=lambda k: (len(k), k))
    own = spread.get(clip)
    clips = measured.clips
    place = clips.clips.index(clip) if clips and clip in clips.clips else None
    return GalleryClip(
        clip=clip,
        source=clips.sources[place] if clips and place is not None else "",
        properties={
            name: float(values[place])
            for name, values in (clips.properties.items() if clips and place is not None else ())
        },
        inputs=tuple(_path(first, entry[key]) for key in inputs),
        target=_path(first, entry["target"]),
        pictures=tuple(
            Picture(
                variant=run.name,
                seed=run.seed,
                run_id=run.run_id,
                path=_path(run, entries[run.run_id][clip]["prediction"]),
                values=_values(clips, run, place),
            )
            for run in having
        ),
        spread=own,
        rank_overall=None if own is None else 1 + sum(other > own for other in spread.values()),
    )


def _path(run: Run, relative: str) -> Path:
    return run.folder / relative


def _values(clips: Clips | None, run: Run, place: int | None) -> dict[str, float]:
    if clips is None or place is None or run.key not in clips.keys:
        return {}
    row = clips.keys.index(run.key)
    return {name: float(values[row, place]) for name, values in clips.values.items()}
