"""Two studies, before and after: what was added, what was lost, what got better or worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tempo.compare.loading.load_runs import gather
from tempo.compare.loading.run_filter import flatten
from tempo.compare.loading.study_merge import merged
from tempo.compare.query import Query
from tempo.compare.statistics.fitted_study import Measured, measure
from tempo.compare.statistics.hypothesis_tests import Examined, Judged, examine, family
from tempo.compare.statistics.quantities import Interval, Verdict, Word
from tempo.core.records import MetricInfo, Plan
from tempo.records.layout import Store

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
        """The changes with this verdict."""
        return tuple(each for each in self.changes if each.verdict.word == word)


def changes(
    before: tuple[Store, Plan], after: tuple[Store, Plan], query: Query | None = None
) -> Changes:
    """What became of every trained variant, judged as one family.

    Raises:
        RecordError: when neither study has a result.
    """
    query = replace(query or Query(), baseline=None, group_by=None)
    old, new = gather(*before, query), gather(*after, query)
    measured = measure(merged([(BEFORE, old), (AFTER, new)], always=True))
    was = {variant.name: variant for variant in old.trained}
    now = {variant.name: variant for variant in new.trained}
    shared = [name for name in now if name in was]
    tested = {name: _tested(measured, name) for name in shared}
    made = {name: each for name, each in tested.items() if isinstance(each, Examined)}
    judged = dict(zip(made, family(list(made.values()), measured.primary), strict=True))
    return Changes(
        before=_title(before[1]),
        after=_title(after[1]),
        metric=measured.primary.info.name,
        added=tuple(name for name in now if name not in was),
        removed=tuple(name for name in was if name not in now),
        changes=tuple(
            Change(
                variant=name,
                metric=measured.primary.info.name,
                before=_mean(measured, BEFORE, name),
                after=_mean(measured, AFTER, name),
                difference=each.interval if isinstance(each, Examined) else None,
                p_adjusted=judged[name].p_adjusted if name in judged else None,
                verdict=_verdict(each, judged.get(name)),
                same_runs={run.folder for run in old.of(name)}
                == {run.folder for run in new.of(name)},
                config=differences(was[name].config, now[name].config),
                runs_before=_runs(measured, BEFORE, name),
                runs_after=_runs(measured, AFTER, name),
            )
            for name, each in tested.items()
        ),
        spec=differences(before[1].spec, after[1].spec),
        info=measured.primary.info,
    )


def _title(plan: Plan) -> str:
    return f"{plan.study} ({plan.profile})" if plan.profile else plan.study


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted fields whose values differ, with None where a side has no such field."""
    old, new = flatten(before, ""), flatten(after, "")
    return {
        path.removeprefix("."): (old.get(path), new.get(path))
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    }


def _tested(measured: Measured, name: str) -> Examined | Verdict:
    old, new = _name(BEFORE, name), _name(AFTER, name)
    hashes = measured.hashes
    if hashes.get(old) and hashes.get(new) and hashes[old] != hashes[new]:
        reason = f"judged under another protocol ({hashes[new]} after, {hashes[old]} before)"
        return Verdict(word=Word.INCOMPARABLE, reason=reason)
    for each in (old, new):
        if not measured.sample.done(each):
            return Verdict(word=Word.INCONCLUSIVE, reason=f"no finished run {each}")
    linear = measured.model.contrast({new: 1.0, old: -1.0}) if measured.model else None
    if linear is None or measured.model is None:
        return Verdict(word=Word.INCONCLUSIVE, reason="no seed and clip that both have")
    count = len(linear.seeds)
    return examine(
        measured.model, linear, measured.primary, seeds=count, planned=count, bootstrap=True
    )


def _name(label: str, name: str) -> str:
    return f"{label}: {name}"


def _verdict(tested: Examined | Verdict, judged: Judged | None) -> Verdict:
    if isinstance(tested, Verdict):
        return tested
    if judged is None:
        raise AssertionError("every examined change is judged")
    return judged.verdict


def _runs(measured: Measured, label: str, name: str) -> tuple[str, ...]:
    return tuple(run.run_id for run in measured.sample.done(_name(label, name)))


def _mean(measured: Measured, label: str, name: str) -> float | None:
    metric = measured.primary.info.name
    values = [
        run.values[metric]
        for run in measured.sample.done(_name(label, name))
        if metric in run.values
    ]
    return sum(values) / len(values) if values else None
