"""Fit the further test sets of a study, and judge all of them as one family of contrasts.

The study's own test split keeps the family that its rule was fixed for. The sets share one beside
it, so that the error rate holds over all sets together, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tempo.comparison import looks
from tempo.comparison.contrasts import Judged, contrast_of, planned_pairs
from tempo.comparison.fitted_study import FittedStudy, fit_study
from tempo.comparison.loading.load_runs import Sample, load_runs
from tempo.comparison.registered_rule import RuleCheck
from tempo.comparison.statistics.hypothesis_tests import TestResult, holm_family
from tempo.comparison.statistics.quantities import Contrast, TestSettings, Verdict
from tempo.core.errors import NoResultError
from tempo.core.records import PlannedTestSet
from tempo.records.verdict_log import LookAt

SetKey = tuple[str, str, str]
"""A test set, a variant or method, and a metric."""


@dataclass(frozen=True)
class FittedSet:
    """A further test set with its runs, and the models of its metrics; None without a result."""

    planned: PlannedTestSet
    sample: Sample
    study: FittedStudy | None

    @property
    def name(self) -> str:
        return self.planned.name


@dataclass(frozen=True, slots=True)
class SetFamily:
    """Contrasts on all sets that share an error rate, and what the family is called."""

    label: str
    keys: tuple[SetKey, ...]


def fit_sets(own: FittedStudy) -> tuple[FittedSet, ...]:
    """Return the further test sets of a study, fitted; none where validation was asked for.

    A set is judged with the runs that the question keeps of the study itself.
    """
    sample = own.sample
    if sample.query.at.kind != "final":
        return ()
    return tuple(_fitted(own, each) for each in sample.plan.test_sets)


def _fitted(own: FittedStudy, planned: PlannedTestSet) -> FittedSet:
    sample = _loaded(own, planned)
    names = [each.name for each in sample.variants]
    measured = dict.fromkeys(name for run in sample.runs for name in run.values)
    asked = sample.query
    metrics = [asked.metric, *asked.metrics] if asked.metric else []
    query = replace(
        asked,
        baseline=own.baseline if own.baseline in names else None,
        metric=next((each for each in metrics if each in measured), None),
    )
    try:
        fitted = fit_study(replace(sample, query=query))
    except NoResultError:
        return FittedSet(planned, sample, None)
    return FittedSet(planned, sample, replace(fitted, baseline=own.baseline))


def _loaded(own: FittedStudy, planned: PlannedTestSet) -> Sample:
    """Return the evaluations of the runs that the study's sample keeps, and of other methods.

    A condition on runs says nothing of methods that are no runs of the study: it leaves them out.
    """
    whole, query = own.sample, own.sample.query
    sample = load_runs(whole.store, whole.plan.on(planned.name), replace(query, where=None))
    if query.where is None:
        return sample
    kept = {run.key for run in whole.runs}
    runs = tuple(run for run in sample.runs if run.key in kept)
    names = {run.name for run in runs}
    variants = tuple(each for each in sample.variants if each.name in names)
    return replace(sample, runs=runs, variants=variants)


def judge_sets(
    own: FittedStudy, check: RuleCheck, judged: Judged, sets: Sequence[FittedSet]
) -> dict[str, tuple[Contrast, ...]]:
    """Return by set the contrasts with the baseline, metric by metric.

    Holm's procedure spans all sets, all trained variants and all metrics of the rule; every other
    metric is a family of its own, and so are references and methods of others. `judged` are the
    verdicts on the study's own split: looks that were taken at them count here too.
    """
    studies = {each.name: each.study for each in sets if each.study is not None}
    tested: dict[SetKey, TestResult | Verdict] = {}
    settings: dict[SetKey, TestSettings] = {}
    for name, study in studies.items():
        for info in study.infos if study.baseline is not None else ():
            for variant in (each.name for each in study.sample.variants):
                if variant == study.baseline:
                    continue
                key = name, variant, info.name
                settings[key] = study.settings(info)
                test = study.test(settings[key], variant, str(study.baseline))
                tested[key] = _at_its_look(study, key, test, check, judged)
    made: dict[SetKey, Contrast] = {}
    for family in _families(own, check, tested):
        mine = {key: tested[key] for key in family.keys}
        words = holm_family(mine, own.primary, settings_of=settings)
        count = sum(each.test is not None for each in words.values())
        label = family.label.format(count=count)
        for key, each in words.items():
            study, pair = studies[key[0]], key[1:]
            contrast = contrast_of(study, pair, str(study.baseline), each, label)
            kind = check.kind(key[2], trained=False)
            made[key] = replace(contrast, kind="test sets" if kind == "secondary" else kind)
    return {name: tuple(made[key] for key in tested if key[0] == name) for name in studies}


def _at_its_look(
    study: FittedStudy,
    key: SetKey,
    test: TestResult | Verdict,
    check: RuleCheck,
    judged: Judged,
) -> TestResult | Verdict:
    """Say at which look a test is: sets are shown whenever the study is."""
    _, variant, metric = key
    if not isinstance(test, TestResult) or not test.testable or check.every:
        return test
    if study.sample.plan.variant(variant).role == "reference":
        return test
    rule = check.registered.rule
    planned = planned_pairs(study.sample, (variant, str(study.baseline)))
    earlier = _earlier(judged, variant, (metric, *rule.metrics))
    return replace(test, looks=looks.looks_at(earlier, test.seeds, planned, rule.spending))


def _earlier(judged: Judged, variant: str, metrics: Sequence[str]) -> tuple[LookAt, ...]:
    found = (judged.earlier.get((variant, name), ()) for name in metrics)
    return next((each for each in found if each), ())


def _families(
    own: FittedStudy, check: RuleCheck, tested: Mapping[SetKey, object]
) -> Iterator[SetFamily]:
    """Yield the families; each label leaves a place for the number of contrasts."""
    trained = {each.name for each in own.sample.trained}
    rule = check.registered.rule.metrics if check.answers_rule else ()
    for mine, whose in ((True, "variants"), (False, "references and methods")):
        keys = [key for key in tested if (key[1] in trained) == mine]
        groups: dict[tuple[str, ...], list[SetKey]] = {}
        for key in keys:
            groups.setdefault(rule if key[2] in rule else (key[2],), []).append(key)
        for metrics, members in groups.items():
            label = f"test sets: {{count}} contrasts of {whose} in {', '.join(metrics)}"
            yield SetFamily(label, tuple(members))
