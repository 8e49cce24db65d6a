"""Summarise a search: its best trials, confirmations, importances and spending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import le
from typing import NamedTuple

from optuna.trial import FrozenTrial, TrialState

from tempo.core.redaction import redacted
from tempo.records import search_record as record
from tempo.tuning.backend.importance import importances
from tempo.tuning.backend.storage import journal_url
from tempo.tuning.confirmation import Candidate, candidate, confirmations, fresh_seeds
from tempo.tuning.session import Search
from tempo.tuning.space import Parameter, Space
from tempo.tuning.stopping_rules import pruning_rule, racing_rule
from tempo.tuning.trials import (
    NAME,
    ORIGIN,
    REJECTED,
    TICKET,
    by_ticket,
    infos,
    is_complete,
    mean_value,
    result_of,
    seed_values,
)

STATES: dict[TrialState, record.State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}


def candidates(search: Search) -> tuple[Candidate, ...]:
    """Return the trials to confirm: the best (of equal points the first) and the baselines."""
    spec, trials = search.spec, search.trials()
    if spec.confirm == 0:
        return ()
    objectives, seeds = infos(spec.objectives), fresh_seeds(spec.confirm, search.seeds)
    point, best = search.proposals.point_of, dict[tuple[str, ...], FrozenTrial]()
    for each in ranked(trials, objectives, len(search.seeds)):
        if len(best) < spec.top:
            best.setdefault(tuple(point(each).resolved.key), each)
    names = {each.number for each in best.values()}
    beside = [each for each in baselines(trials) if each.number not in names]
    return (
        *(candidate(each, point(each), "best", seeds) for each in best.values()),
        *(candidate(each, point(each), "baseline", seeds) for each in beside),
    )


class Description(NamedTuple):
    """What a search asks, whatever it found."""

    objectives: tuple[str, ...]
    space: tuple[record.ParameterInfo, ...]
    rules: tuple[str, ...]
    constraints: tuple[str, ...]
    budget: dict[str, float]


def describe(space: Space) -> Description:
    """Describe the search that a spec asks for."""
    spec = space.search
    z = spec.race if len(spec.objectives) == 1 else None
    return Description(
        objectives=tuple(spec.objectives),
        space=tuple(_parameter(each) for each in space.parameters),
        rules=(pruning_rule(spec), racing_rule(z, len(space.loaded.spec.seeds))),
        constraints=tuple(str(each) for each in spec.constraints),
        budget={k: float(v) for k, v in spec.budget if v is not None},
    )


def summarise(search: Search, *, over: bool) -> record.SearchSummary:
    """Return the summary of a search as its storage and records have it now."""
    spec, study, trials = search.spec, search.space.loaded.spec, search.trials()
    objectives = infos(spec.objectives)
    winners = ranked(trials, objectives, len(search.seeds))
    about = describe(search.space)
    names = [str(each.user_attrs[NAME]) for each in winners]
    return record.SearchSummary(
        study=study.study,
        profile=search.space.loaded.profile,
        question=study.question,
        source=search.space.loaded.source,
        objectives=objectives,
        space=about.space,
        sampler=spec.sampler.kind,
        pruner=_pruner_name(search),
        constraints=about.constraints,
        rules=about.rules,
        seeds=tuple(search.seeds),
        trials=tuple(_trial(each) for each in trials if REJECTED not in each.user_attrs),
        rejected=_rejected(search, trials),
        best=tuple(names[: spec.top]),
        front=tuple(names) if len(objectives) > 1 else (),
        confirmed=confirmations(candidates(search), search.store, objectives),
        importances=importances(observed(trials), objectives, seed=spec.seed),
        budget=about.budget,
        spent=search.spending(),
        storage=redacted(spec.storage) if spec.storage else journal_url(search.folder),
        optuna_study=search.name,
        over=over,
    )


def _pruner_name(search: Search) -> str:
    if search.spec.curve is None:
        return "none"
    return search.spec.pruner.kind if search.spec.pruner is not None else "median"


def _rejected(search: Search, trials: Sequence[FrozenTrial]) -> dict[str, int]:
    reasons = [str(t.user_attrs[REJECTED]) for t in trials if REJECTED in t.user_attrs]
    return dict(Counter(reasons) + search.proposals.rejected)


def _parameter(one: Parameter) -> record.ParameterInfo:
    bounds = dict(one.range) if one.range else {}
    return record.ParameterInfo(
        name=one.name, paths=one.paths, levels=one.levels, when=one.when, **bounds
    )


def _state(frozen: FrozenTrial) -> record.State:
    result = result_of(frozen)
    ended_well = frozen.state is TrialState.PRUNED and any(r["values"] for r in result["runs"])
    if result.get("outside") and ended_well:
        return "outside"
    return STATES[frozen.state]


def _trial(frozen: FrozenTrial) -> record.TrialRecord:
    result = result_of(frozen)
    runs = tuple(
        record.TrialRun(seed=run["seed"], run_id=run["run_id"], values=tuple(run["values"]))
        for run in result.get("runs", ())
    )
    done = [run.values for run in runs if run.values]
    origin: record.Origin = frozen.user_attrs.get(ORIGIN, "sampled")
    started = frozen.datetime_start
    return record.TrialRecord(
        number=frozen.number if TICKET in frozen.user_attrs else None,
        variant=str(frozen.user_attrs[NAME]),
        state=_state(frozen),
        origin=origin,
        params=dict(frozen.params),
        values=tuple(sum(each) / len(each) for each in zip(*done, strict=True)),
        runs=runs,
        raced=bool(result.get("raced", False)),
        outside=tuple(result.get("outside", ())),
        curve=tuple((int(step), float(value)) for step, value in result.get("curve", ())),
        started=started.timestamp() if started and origin != "warm_start" else None,
        seconds=result.get("seconds"),
        note=str(result.get("note", "")),
    )


def ranked(
    trials: Sequence[FrozenTrial], objectives: Sequence[record.ObjectiveInfo], seeds: int
) -> list[FrozenTrial]:
    """Return the complete trials, best first by the first objective; of several, the Pareto front.

    Trials outside the space count as well.
    """
    found = [each for each in by_ticket(trials).values() if is_complete(each, seeds)]
    if len(objectives) > 1:
        found = [each for each in found if not _dominated(each, found, objectives)]
    return sorted(found, key=lambda each: (costs(each, objectives[:1]), each.number))


def _dominated(
    one: FrozenTrial, others: Sequence[FrozenTrial], objectives: Sequence[record.ObjectiveInfo]
) -> bool:
    mine = costs(one, objectives)
    rivals = (costs(other, objectives) for other in others)
    return any(each != mine and all(map(le, each, mine)) for each in rivals)


def costs(frozen: FrozenTrial, objectives: Sequence[record.ObjectiveInfo]) -> tuple[float, ...]:
    """Return a trial's mean objectives with signs such that less is better."""
    return tuple(
        -mean_value(frozen, i) if info.better == "higher" else mean_value(frozen, i)
        for i, info in enumerate(objectives)
    )


def baselines(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the enqueued trials that have a value."""
    return [
        each
        for each in by_ticket(trials).values()
        if each.user_attrs.get(ORIGIN) == "enqueued" and seed_values(each)
    ]


def observed(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that importance is measured on: with params and values."""
    return [
        each
        for each in trials
        if each.state is TrialState.COMPLETE and each.params and not result_of(each).get("outside")
    ]
