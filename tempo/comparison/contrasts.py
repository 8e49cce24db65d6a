"""Judge all variants against the baseline, in the families that the rule and the question make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tempo.comparison import looks
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.load_runs import Sample
from tempo.comparison.looks import Key
from tempo.comparison.registered_rule import RuleCheck
from tempo.comparison.statistics.hypothesis_tests import (
    AdjustedResult,
    TestResult,
    holm_family,
)
from tempo.comparison.statistics.quantities import Contrast, Verdict
from tempo.records.verdict_log import Look, LookAt, decided, earlier_looks, past_looks


@dataclass(frozen=True, slots=True)
class Judged:
    """All contrasts, metric by metric, and the look at the rule's family that they are.

    By contrast of the rule: `standing`, the earlier look whose word stands; `earlier`, all earlier
    looks at other seeds; `levels`, the error rate that is left at this look.
    """

    contrasts: tuple[Contrast, ...] = ()
    look: Look | None = None
    standing: Mapping[Key, LookAt] = field(default_factory=dict)
    earlier: Mapping[Key, tuple[LookAt, ...]] = field(default_factory=dict)
    levels: Mapping[Key, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Family:
    """Contrasts that share an error rate: those of the rule, or those of one metric beside it.

    `counts_looks`: whether they were seen at the looks that are recorded of the rule's contrasts.
    """

    metrics: tuple[str, ...]
    label: str
    keys: tuple[Key, ...]
    rule: bool = False
    counts_looks: bool = False


def judge(study: FittedStudy, check: RuleCheck) -> Judged:
    """Return all variants minus the baseline.

    A contrast that cannot be made is there as well, with the reason. The rule's family spans its
    trained variants and all of its metrics; every other metric is a family of its own, and so are
    the references.
    """
    baseline = study.baseline
    if baseline is None:
        return Judged()
    names = [each.name for each in study.sample.variants if each.name != baseline]
    keys = [(name, info.name) for info in study.infos for name in names]
    settings = {info.name: study.settings(info) for info in study.infos}
    tested = {key: study.test(settings[key[1]], key[0], baseline) for key in keys}
    found: dict[Key, Contrast] = {}
    judged = Judged()
    for family in _families(study, check, keys):
        mine = {key: tested[key] for key in family.keys}
        judging = _Judging(study, check, baseline, family, mine)
        found |= judging.contrasts()
        if family.rule:
            judged = Judged(
                look=judging.look(),
                standing=judging.standing,
                earlier=judging.earlier,
                levels=judging.levels,
            )
    return replace(judged, contrasts=tuple(found[key] for key in keys))


def _families(study: FittedStudy, check: RuleCheck, keys: Sequence[Key]) -> Iterator[Family]:
    trained = {each.name for each in study.sample.trained}
    own = check.registered.rule.metrics if check.answers_rule else ()
    if own:
        mine = tuple(key for key in keys if key[0] in trained and key[1] in own)
        yield Family(own, "variants", mine, rule=True, counts_looks=True)
    for info in study.infos:
        of_metric = [key for key in keys if key[1] == info.name]
        if info.name not in own:
            mine = tuple(key for key in of_metric if key[0] in trained)
            secondary = check.kind(info.name, trained=True) == "secondary"
            yield Family((info.name,), "variants", mine, counts_looks=secondary)
        others = tuple(key for key in of_metric if key[0] not in trained)
        yield Family((info.name,), "references", others)


class _Judging:
    """One family with the looks that were taken at it."""

    def __init__(
        self,
        study: FittedStudy,
        check: RuleCheck,
        baseline: str,
        family: Family,
        tested: Mapping[Key, TestResult | Verdict],
    ) -> None:
        self._study, self._check, self._baseline, self._family = study, check, baseline, family
        self._settings = {name: study.settings(study.info(name)) for name in family.metrics}
        self._planned = {key: planned_pairs(study.sample, (key[0], baseline)) for key in tested}
        self._pairs = {
            key: looks.pairs_of(study.sample, key[0], baseline, test)
            for key, test in tested.items()
            if family.counts_looks and isinstance(test, TestResult) and test.testable
        }
        self._data = looks.data_hash(self._pairs)
        self.earlier = {key: self._earlier(key, pairs) for key, pairs in self._pairs.items()}
        self._tested = {key: self._at_its_look(key, test) for key, test in tested.items()}
        self.standing = dict(self._standing()) if family.rule else {}
        self._judged = holm_family(
            self._tested,
            study.primary,
            {key: looks.decision_of(found) for key, found in self.standing.items()},
            {key: self._settings[key[1]] for key in tested},
        )

    def _earlier(self, key: Key, pairs: tuple[str, ...]) -> tuple[LookAt, ...]:
        """Return the earlier looks at a contrast; beside the rule, at the same runs' rule."""
        rule = self._check.registered.rule
        metrics = [key[1]] if self._family.rule else rule.metrics
        log = self._check.registered.log
        found = (earlier_looks(log, key[0], self._baseline, name, pairs) for name in metrics)
        return next((each for each in found if each), ())

    def _at_its_look(self, key: Key, test: TestResult | Verdict) -> TestResult | Verdict:
        """Say which look at how many planned seeds a test is."""
        if key not in self._pairs or not isinstance(test, TestResult):
            return test
        spending = self._check.registered.rule.spending
        which = looks.looks_at(self.earlier[key], test.seeds, self._planned[key], spending)
        return replace(test, looks=which)

    def _standing(self) -> Iterator[tuple[Key, LookAt]]:
        """Yield the contrasts whose word a look at other data has settled."""
        rule, log = self._check.registered.rule, self._check.registered.log
        for key, pairs in self._pairs.items():
            found = decided(log, rule, key[0], self._baseline, key[1], pairs)
            if found is not None and found.look.data != self._data:
                yield key, found

    @property
    def levels(self) -> dict[Key, float]:
        """The error rate that is left at this look for each open contrast, before Holm."""
        alpha = self._check.registered.rule.alpha
        return {
            key: float(test.looks.level(alpha))
            for key, test in self._tested.items()
            if key in self._pairs and key not in self.standing and isinstance(test, TestResult)
        }

    def look(self) -> Look | None:
        """Return the look that showing this family is."""
        shown = [
            looks.looked_contrast(key, self._baseline, self._judged[key], pairs)
            for key, pairs in self._pairs.items()
        ]
        return looks.new_look(self._check.registered.rule, self._data, shown)

    def contrasts(self) -> dict[Key, Contrast]:
        """Return the family's contrasts with their verdicts."""
        count = sum(each.test is not None for each in self._judged.values())
        label = f"{', '.join(self._family.metrics)}: {self._family.label} ({count})"
        return {key: self._contrast(key, label) for key in self._tested}

    def _contrast(self, key: Key, label: str) -> Contrast:
        found = self.standing.get(key)
        made = contrast_of(self._study, key, self._baseline, self._judged[key], label)
        return replace(
            made,
            kind=self._check.kind(key[1], trained=self._family.label == "variants"),
            looked=past_looks(self.earlier.get(key, ()), len(made.seeds)),
            decided_at=found.contrast.seeds if found else None,
        )


def contrast_of(
    study: FittedStudy, key: Key, baseline: str, judged: AdjustedResult, family: str
) -> Contrast:
    """Return the contrast of a variant in a metric, as it was judged within `family`."""
    sample, (variant, metric) = study.sample, key
    test, model = judged.test, study.models.get(metric)
    combination = test.combination if test else None
    matrix = model.matrix if test and model else None
    seeds = combination.seeds if combination else ()
    return Contrast(
        variant=variant,
        baseline=baseline,
        metric=metric,
        difference=judged.interval,
        p=judged.p,
        p_adjusted=judged.p_adjusted,
        verdict=judged.verdict,
        delta=study.settings(study.info(metric)).delta,
        family=family,
        components=combination.components if combination else None,
        seeds=seeds,
        planned_n=planned_pairs(sample, (variant, baseline)),
        clips=matrix.clips if matrix else 0,
        sources=matrix.sources if matrix and matrix.clips else 0,
        values=combination.per_seed if combination else (),
        run_ids=tuple(
            (_run_id(sample, variant, seed), _run_id(sample, baseline, seed)) for seed in seeds
        ),
    )


def planned_pairs(sample: Sample, pair: tuple[str, str]) -> int:
    """Return how many pairs were planned: a reference pairs with every seed of the baseline."""
    seeds = [sample.planned_seeds(name) for name in pair]
    counted = [each for each in seeds if each != {None}]
    return len(set.intersection(*counted)) if counted else 0


def _run_id(sample: Sample, name: str, seed: int | None) -> str:
    run = sample.by_key.get((name, seed)) or sample.by_key[name, None]
    return run.run_id
