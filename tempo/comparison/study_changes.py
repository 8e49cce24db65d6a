"""Compare two studies, before and after: variants added, lost, better or worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tempo.comparison.fitted_study import FittedStudy, fit_study
from tempo.comparison.loading.load_runs import load_runs, merge_samples
from tempo.comparison.query import Query
from tempo.comparison.statistics.hypothesis_tests import holm_family
from tempo.comparison.statistics.quantities import Interval, Verdict, Word
from tempo.core.config_diff import diff, flatten
from tempo.core.records import MetricInfo, Plan
from tempo.records.layout import Store
from tempo.spec.verdict import rule_of

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A variant in both studies, by name; `same_runs` when all of its runs are the very same.

    `difference` is after minus before, paired by the seeds and clips that both have. `runs_before`
    and `runs_after` are the ids of the finished runs behind the means.
    """

    variant: str
    metric: str
    before: float | None
    after: float | None
    difference: Interval | None
    p_adjusted: float | None
    verdict: Verdict
    same_runs: bool
    config: Mapping[str, tuple[Any, Any]]
    runs_before: tuple[str, ...] = ()
    runs_after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """From one study to another. `spec` maps a field to its value before and after."""

    before: str
    after: str
    metric: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changes: tuple[Change, ...]
    spec: Mapping[str, tuple[Any, Any]]
    info: MetricInfo

    def of(self, word: Word) -> tuple[Change, ...]:
        return tuple(each for each in self.changes if each.verdict.word == word)


def changes(
    before: tuple[Store, Plan], after: tuple[Store, Plan], query: Query | None = None
) -> Changes:
    """Judge all trained variants as one family; raise RecordError if neither study has a result.

    By the metric, delta and error rate of the later study's rule, which asks about that study
    alone: the answers are exploratory.
    """
    asked = (query or Query()).under(rule_of(after[1]))
    query = replace(asked, baseline=None, group_by=None)
    old, new = load_runs(*before, query), load_runs(*after, query)
    study = fit_study(merge_samples([(BEFORE, old), (AFTER, new)], always=True))
    was = {variant.name: variant for variant in old.trained}
    now = {variant.name: variant for variant in new.trained}
    tested = {
        name: study.test(study.primary, f"{AFTER}: {name}", f"{BEFORE}: {name}")
        for name in now
        if name in was
    }
    return Changes(
        before=_title(before[1]),
        after=_title(after[1]),
        metric=study.metric,
        added=tuple(name for name in now if name not in was),
        removed=tuple(name for name in was if name not in now),
        changes=tuple(
            Change(
                variant=name,
                metric=study.metric,
                before=study.mean(f"{BEFORE}: {name}", study.metric),
                after=study.mean(f"{AFTER}: {name}", study.metric),
                difference=judged.interval,
                p_adjusted=judged.p_adjusted,
                verdict=judged.verdict,
                same_runs={run.folder for run in old.of(name)}
                == {run.folder for run in new.of(name)},
                config=diff(_settings(was[name].config), _settings(now[name].config)),
                runs_before=_finished(study, BEFORE, name),
                runs_after=_finished(study, AFTER, name),
            )
            for name, judged in holm_family(tested, study.primary).items()
        ),
        spec=diff(_settings(before[1].spec), _settings(after[1].spec)),
        info=study.infos[0],
    )


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a config or spec by dotted path, without its list of plug-ins: where
    these lie says nothing, and a run's record holds which code they were."""
    return flatten({name: value for name, value in config.items() if name != "plugins"})


def _title(plan: Plan) -> str:
    return f"{plan.study} ({plan.profile})" if plan.profile else plan.study


def _finished(study: FittedStudy, label: str, name: str) -> tuple[str, ...]:
    return tuple(run.run_id for run in study.sample.done(f"{label}: {name}"))
