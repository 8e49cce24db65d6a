"""What every part of a comparison starts from: runs, per-clip values and fitted models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tempo.compare.loading.clip_values import Clips, read_clips
from tempo.compare.loading.load_runs import Run, Sample
from tempo.compare.statistics.hypothesis_tests import Terms
from tempo.compare.statistics.random_effects import Crossed
from tempo.compare.statistics.seed_source_matrix import panel_of
from tempo.core.catalog import unknown
from tempo.core.errors import RecordError, TempoError
from tempo.core.records import MetricInfo

PANELS = ("edge", "tof", "warping", "flicker")
"""Metrics of edges and of time: a page shows them beside the table, wherever they were measured."""


@dataclass(frozen=True)
class Measured:
    """A sample with the models of its metrics: what every part of a comparison starts from.

    `infos` are the metrics of the table, `panels` those shown beside it.
    """

    sample: Sample
    baseline: str | None
    infos: tuple[MetricInfo, ...]
    panels: tuple[MetricInfo, ...]
    clips: Clips | None
    models: Mapping[str, Crossed]
    hashes: Mapping[str, str | None]

    def terms(self, info: MetricInfo) -> Terms:
        query = self.sample.query
        return Terms(
            info=info,
            delta=query.delta_of(info, primary=info == self.infos[0]),
            level=query.level,
            power=query.power,
        )

    @property
    def primary(self) -> Terms:
        return self.terms(self.infos[0])

    @property
    def model(self) -> Crossed | None:
        return self.models.get(self.infos[0].name)


def measure(sample: Sample) -> Measured:
    """Choose baseline and metrics, read per-clip values and fit the models."""
    known = _known(sample)
    infos = _infos(sample, known)
    baseline = _baseline(sample)
    _check_group(sample)
    hashes = {each.name: _hash(sample.done(each.name)) for each in sample.variants}
    metrics = [info.name for info in infos]
    same = _comparable(sample, baseline, hashes)
    clips, models = None, {}
    if sample.query.at.kind == "final" and any(_has_table(run) for run in same):
        wanted = None if sample.query.detail == "full" else metrics
        clips = read_clips(same, wanted)
        models = _clip_models(clips, metrics)
    else:
        models = _mean_models(same, metrics)
    return Measured(sample, baseline, infos, _panels(known, metrics), clips, models, hashes)


def _known(sample: Sample) -> dict[str, MetricInfo]:
    """What the metrics that some run has mean, by name."""
    known: dict[str, MetricInfo] = {}
    for run in sample.runs:
        test = run.record.test if run.record else None
        if test and run.values:
            known |= {name: MetricInfo(**info) for name, info in test.infos.items()}
    if not known:
        known = {name: _bare(name) for run in sample.runs for name in run.values}
    if not known:
        states = Counter(run.status.value for run in sample.runs)
        said = ", ".join(f"{count} {state}" for state, count in states.items())
        where = "" if sample.query.at.kind == "final" else f" at {sample.query.at}"
        raise RecordError(f"no run of {sample.plan.study!r} has a result{where} yet ({said})")
    return known


def _infos(sample: Sample, known: Mapping[str, MetricInfo]) -> tuple[MetricInfo, ...]:
    """The metrics of the table, primary first; those no run has are left out."""
    query = sample.query
    if sample.metric not in known:
        raise TempoError(unknown("metric", sample.metric, known))
    names = dict.fromkeys([sample.metric, *(each for each in query.metrics if each in known)])
    return tuple(known[name] for name in names)


def _panels(known: Mapping[str, MetricInfo], shown: Sequence[str]) -> tuple[MetricInfo, ...]:
    return tuple(known[name] for name in PANELS if name in known and name not in shown)


def _bare(name: str) -> MetricInfo:
    """What can be said of a validation metric before any test evaluation described it."""
    unit = "dB" if name.startswith("psnr") else ""
    return MetricInfo(name=name, unit=unit, better="higher", digits=4, definition="validation")


def _baseline(sample: Sample) -> str | None:
    names = [variant.name for variant in sample.variants]
    asked = sample.query.baseline
    if asked is not None:
        if asked not in names:
            raise TempoError(unknown("variant", asked, names))
        return asked
    if sample.plan.baseline in names:
        return sample.plan.baseline
    return next((each.name for each in sample.trained), None)


def _check_group(sample: Sample) -> None:
    factors = dict.fromkeys(name for each in sample.variants for name in each.levels)
    asked = sample.query.group_by
    if asked is not None and asked not in factors:
        raise TempoError(unknown("factor", asked, factors))


def _hash(runs: Sequence[Run]) -> str | None:
    return next((run.protocol_hash for run in runs if run.protocol_hash), None)


def _comparable(
    sample: Sample, baseline: str | None, hashes: Mapping[str, str | None]
) -> list[Run]:
    """Finished runs under the baseline's protocol (the first one there is, without a baseline)."""
    own = hashes.get(baseline or "") or next((each for each in hashes.values() if each), None)
    done = [run for run in sample.runs if run.values]
    return [run for run in done if run.protocol_hash in (own, None)]


def _has_table(run: Run) -> bool:
    """Whether the run kept values per clip; runs imported from elsewhere have means alone."""
    return bool(run.record and run.record.test and run.record.test.table)


def _clip_models(clips: Clips | None, metrics: Sequence[str]) -> dict[str, Crossed]:
    if clips is None:
        return {}
    made = {}
    for name in metrics:
        if name in clips.values:
            panel, _ = clips.panel(name)
            if panel.clips:
                made[name] = Crossed(panel)
    return made


def _mean_models(runs: Sequence[Run], metrics: Sequence[str]) -> dict[str, Crossed]:
    made = {}
    for name in metrics:
        having = [run for run in runs if np.isfinite(run.values.get(name, np.nan))]
        if having:
            values = np.array([run.values[name] for run in having])
            made[name] = Crossed(
                panel_of(
                    [run.key for run in having], values, None, [str(run.folder) for run in having]
                )
            )
    return made
