"""Write which clips, runs and seeds the numbers of a comparison cannot count, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.clip_values import ClipValues
from tempo.comparison.loading.load_runs import Key, Run
from tempo.comparison.statistics.source_shape import few_sources, skewed_sources
from tempo.core.counted import listed_up_to
from tempo.core.records import MetricInfo

MOST_NAMED = 3


def sample_notes(study: FittedStudy) -> list[str]:
    """Return a sentence for each reason for which clips, runs or seeds do not count."""
    clips = study.clips
    said = [] if clips is None else _of_clips(study, clips)
    return said + _of_sources(study) + _without_replicates(study)


def _of_sources(study: FittedStudy) -> list[str]:
    """Return whether the clips' sources are too few, too unequal or too skewed for intervals."""
    model, baseline = study.model, study.baseline
    if model is None or baseline not in model.matrix.variants:
        return []
    said = [few_sources(model.matrix)]
    for each in study.sample.trained:
        if each.name != baseline and each.name in model.matrix.variants:
            found = model.contrast({each.name: 1.0, str(baseline): -1.0})
            said.append(skewed_sources(model.matrix, found, each.name) if found else None)
    return [sentence for sentence in said if sentence][:MOST_NAMED]


def _without_replicates(study: FittedStudy) -> list[str]:
    """Return the variants whose seeds all give the same: they show no spread, and prove nothing."""
    if study.model is None:
        return []
    matrix = study.model.matrix
    names = matrix.unvaried([each.name for each in study.sample.trained])
    return [
        f"The seed changes nothing in {name}: its {len(matrix.seeds_of(name))} runs have the same "
        f"{study.metric} to the last bit, so they are no replicates."
        for name in names
    ]


def _of_clips(study: FittedStudy, clips: ClipValues) -> list[str]:
    said = []
    if clips.problems:
        count = len(clips.problems)
        first = next(iter(clips.problems.values()))
        tables = "per-clip table was" if count == 1 else "per-clip tables were"
        said.append(
            f"{count} {tables} left out of the contrasts, so that the table shows the run's own "
            f"test mean: {first}."
        )
    if not clips.clips:
        said.append(
            "No clip was judged by every run, so nothing can be paired: there are no contrasts, "
            "and the table shows the mean of each run over its own clips."
        )
        return said
    if clips.dropped:
        were = "clip was" if clips.dropped == 1 else "clips were"
        said.append(f"{clips.dropped} {were} not judged by every run: left out of all numbers.")
    for info in study.infos:
        said += _of_metric(study, clips, info)
    return said


def _of_metric(study: FittedStudy, clips: ClipValues, info: MetricInfo) -> list[str]:
    """Return what is special to one metric: values that are not finite, means that moved."""
    name = info.name
    if name not in clips.values:
        return []
    said, judged = [], clips.judged(name)
    without = [key for key, has in zip(clips.keys, judged, strict=True) if not has]
    if without and judged.any():
        said.append(f"Without a finite {name} on any clip, left out of it: {_named(without)}.")
    endless = int((~clips.finite(name)).sum()) if judged.any() else 0
    if endless == len(clips.clips):
        said.append(
            f"No clip has a finite {name} in every run, so nothing can be paired in it: the table "
            "shows the mean of each run, where that is finite."
        )
    elif endless:
        have = "clip has" if endless == 1 else "clips have"
        said.append(
            f"{endless} {have} no finite {name} in some run: left out of means and contrasts alike."
        )
    moved = _moved(study, info)
    if moved:
        run, here, own = moved[0]
        others = f" and of {len(moved) - 1} more runs" if len(moved) > 1 else ""
        said.append(
            f"The {name} of {run.name}{'' if run.seed is None else f' seed {run.seed}'}{others} "
            f"is over the {study.models[name].matrix.clips} clips that all share: "
            f"{here:.{info.digits}f} here, {own:.{info.digits}f} in its own test."
        )
    return said


def _moved(study: FittedStudy, info: MetricInfo) -> list[tuple[Run, float, float]]:
    """Return the runs whose mean over the shared clips is not their own, to the digits shown."""
    found = []
    for run in study.sample.runs:
        here, own = study.value(run, info.name), run.values.get(info.name)
        if here is None or own is None or not run.values:
            continue
        if not np.isfinite(own) or abs(here - own) > 0.5 * 10.0**-info.digits:
            found.append((run, here, own))
    return found


def _named(keys: Sequence[Key]) -> str:
    names = [name if seed is None else f"{name} seed {seed}" for name, seed in keys]
    return listed_up_to(MOST_NAMED, names)
