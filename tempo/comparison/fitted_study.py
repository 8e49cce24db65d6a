"""Fit the random-effects models of a study's runs: what every part of a comparison starts from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tempo.comparison.loading.clip_values import ClipValues, read_clips
from tempo.comparison.loading.load_runs import Run, Sample, ranked_protocol
from tempo.comparison.query import BESIDE
from tempo.comparison.statistics.hypothesis_tests import TestResult, run_test
from tempo.comparison.statistics.quantities import Interval, TestSettings, Verdict, Word
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tempo.core.catalog import unknown
from tempo.core.errors import NoResultError, TempoError
from tempo.core.records import MetricInfo
from tempo.spec.metrics import OWN_METRICS

PANELS = ("edge", "tof", "warping", "flicker")
"""Metrics of edges and of time: a page shows them beside the table, wherever they were measured."""


@dataclass(frozen=True)
class FittedStudy:
    """A sample with the fitted models of its metrics.

    `infos` are the metrics of the table, primary first, `panels` those shown beside it; `hashes`
    is each variant's protocol. A metric without values has no model.
    """

    sample: Sample
    baseline: str | None
    infos: tuple[MetricInfo, ...]
    panels: tuple[MetricInfo, ...]
    clips: ClipValues | None
    models: Mapping[str, RandomEffects]
    hashes: Mapping[str, str | None]

    def settings(self, info: MetricInfo) -> TestSettings:
        query = self.sample.query
        return TestSettings(
            info=info,
            delta=query.delta_of(info, primary=info == self.infos[0]),
            level=query.coverage,
            power=query.power,
        )

    def info(self, name: str) -> MetricInfo:
        """Return what a metric of the table means."""
        return next(info for info in self.infos if info.name == name)

    @property
    def primary(self) -> TestSettings:
        """How differences in the primary metric are judged."""
        return self.settings(self.infos[0])

    @property
    def metric(self) -> str:
        """The primary metric."""
        return self.infos[0].name

    @property
    def model(self) -> RandomEffects | None:
        return self.models.get(self.metric)

    def value(self, run: Run, metric: str) -> float | None:
        """Return a run's mean over the clips that contrasts use, so that means and contrasts agree.

        A run that no contrast can use counts by its own mean; None without a finite one.
        """
        model = self.models.get(metric)
        row = model.matrix.row(*run.key) if model else None
        if model is not None and row is not None:
            return float(model.matrix.means[row])
        own = run.values.get(metric)
        return own if own is not None and np.isfinite(own) else None

    def mean(self, variant: str | None, metric: str) -> float | None:
        """Return a variant's mean over its finished seeds; None without a finished one."""
        runs = self.sample.done(variant) if variant else []
        values = [value for run in runs if (value := self.value(run, metric)) is not None]
        return sum(values) / len(values) if values else None

    def own_mean(self, info: MetricInfo, variant: str) -> Interval | None:
        """Return a variant's mean with an interval that covers the draw of seeds and of clips.

        None where there are no values per clip: no interval covers the draw of clips then.
        """
        model = self.models.get(info.name)
        if model is None or not model.matrix.samples_clips:
            return None
        if variant not in model.matrix.variants:
            return None
        combination = model.contrast({variant: 1.0})
        return run_test(model, combination, self.settings(info)).interval if combination else None

    def test(self, settings: TestSettings, variant: str, baseline: str) -> TestResult | Verdict:
        """Test `variant` minus `baseline`; a verdict says why that cannot be done."""
        mine, theirs = self.hashes.get(variant), self.hashes.get(baseline)
        if mine and theirs and mine != theirs:
            reason = f"judged under another protocol ({mine} against {theirs})"
            return Verdict(word=Word.INCOMPARABLE, reason=reason)
        for each in (baseline, variant):
            if not self.sample.done(each):
                return Verdict(word=Word.INCONCLUSIVE, reason=f"no finished run of {each}")
        model = self.models.get(settings.info.name)
        name = settings.info.name
        if model is None:
            why = self.clips.why_none(name) if self.clips else f"no run has a value of {name}"
            return Verdict(word=Word.INCONCLUSIVE, reason=why)
        without = [each for each in (baseline, variant) if each not in model.matrix.variants]
        if without:
            reason = f"{' and '.join(without)} has no values of {name} that can be paired"
            return Verdict(word=Word.INCONCLUSIVE, reason=reason)
        combination = model.contrast({variant: 1.0, baseline: -1.0})
        if combination is None:
            reason = f"no seed is finished in both {variant} and {baseline}"
            return Verdict(word=Word.INCONCLUSIVE, reason=reason)
        return run_test(model, combination, settings)


def fit_study(sample: Sample) -> FittedStudy:
    """Choose baseline and metrics, read per-clip values and fit the models.

    Raises:
        NoResultError: when no run has a result yet.
        TempoError: when the query names a variant, metric or factor that is not there.
    """
    known = _known(sample)
    infos = _infos(sample, known)
    baseline = _baseline(sample)
    _check_group(sample)
    hashes = {each.name: sample.protocol_hash(each.name) for each in sample.variants}
    metrics = [info.name for info in infos]
    own = ranked_protocol(hashes, baseline)
    same = [run for run in sample.runs if run.values and run.protocol_hash in (own, None)]
    clips = None
    # Runs imported from elsewhere have means alone, no table of values per clip.
    if sample.query.at.kind == "final" and any(run.test and run.test.table for run in same):
        clips = read_clips(same, None if sample.query.detail == "full" else metrics)
        models = _clip_models(clips, metrics, baseline)
    else:
        models = _mean_models(same, metrics, baseline)
    panels = tuple(known[name] for name in PANELS if name in known and name not in metrics)
    return FittedStudy(sample, baseline, infos, panels, clips, models, hashes)


def _known(sample: Sample) -> dict[str, MetricInfo]:
    """Return what the metrics that some run has mean, by name."""
    known: dict[str, MetricInfo] = {}
    for run in sample.runs:
        if run.test and run.values:
            known |= {name: MetricInfo(**info) for name, info in run.test.infos.items()}
    if not known:  # validation metrics that no test evaluation described yet
        bare = partial(MetricInfo, better="higher", digits=4, definition="validation")
        for name in (name for run in sample.runs for name in run.values):
            known[name] = bare(name=name, unit="dB" if name.startswith("psnr") else "")
    if not known:
        states = Counter(run.status.value for run in sample.runs)
        said = ", ".join(f"{count} {state}" for state, count in states.items())
        where = "" if sample.query.at.kind == "final" else f" at {sample.query.at}"
        raise NoResultError(f"no run of {sample.plan.study!r} has a result{where} yet ({said})")
    return known


def _infos(sample: Sample, known: Mapping[str, MetricInfo]) -> tuple[MetricInfo, ...]:
    """Return the metrics of the table, primary first; those no run has are left out."""
    if sample.metric not in known:
        raise TempoError(unknown("metric", sample.metric, known))
    beside = [each for each in sample.query.metrics if each in known]
    if sample.query.metrics == BESIDE:
        beside += [each for each in _of_plugins(sample) if each in known]
    return tuple(known[name] for name in dict.fromkeys([sample.metric, *beside]))


def _of_plugins(sample: Sample) -> list[str]:
    """Return the metrics of plug-ins that the study measures, which tables show unasked."""
    evaluation = sample.plan.spec.get("evaluation") or {}
    return [name for name in evaluation.get("metrics", ()) if name not in OWN_METRICS]


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


def _clip_models(
    clips: ClipValues | None, metrics: Sequence[str], control: str | None
) -> dict[str, RandomEffects]:
    models = {}
    for name in metrics:
        matrix = clips.matrix(name) if clips else None
        if matrix is not None:
            models[name] = RandomEffects(matrix, control)
    return models


def _mean_models(
    runs: Sequence[Run], metrics: Sequence[str], control: str | None
) -> dict[str, RandomEffects]:
    models = {}
    for name in metrics:
        having = [run for run in runs if np.isfinite(run.values.get(name, np.nan))]
        if having:
            values = np.array([run.values[name] for run in having])
            keys, folders = [run.key for run in having], [str(run.folder) for run in having]
            models[name] = RandomEffects(matrix_of(keys, values, None, folders), control)
    return models
