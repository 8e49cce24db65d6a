"""Read the status of every run of a plan from records and ledger, and estimate the time left."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.launch.accounting.gpu_usage import memory_of
from tempo.launch.lost_workers import last_checkpoint, silence
from tempo.launch.scheduling.run_view import RunView
from tempo.launch.to_come import NOTHING, ToCome, to_come
from tempo.ledger.port import Hold, Ledger, is_active
from tempo.records.event_log import progress_of
from tempo.records.layout import Store
from tempo.records.memory.derived_values import remembering
from tempo.records.parent_runs import unready_parent
from tempo.records.progress import Progress
from tempo.records.pruned_runs import pruned_runs, status_in
from tempo.records.rule_sentences import last_words, looks_taken, rule_history
from tempo.records.seed_log import (
    NOT_NEEDED,
    WAITING,
    SeedLook,
    opened_runs,
    read_looks,
    unopened_state,
)
from tempo.records.verdict_log import read_log

UNREADABLE = "unreadable"
"""State of a run whose record is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """One run.

    Attributes:
        state: a RunStatus, `stopping` while the run is running and was asked to stop, of adaptive
            seeds that no look opened `waiting` or `not needed`, or of a run whose parents have no
            result `waiting`; `unreadable` where the record is damaged.
        why: what those wait for or why they are not needed; of a stopped run, what stopped it.
        problem: how the record is damaged; empty where it can be read.
        value: the metric at the last validation; `common`: at the step that all runs have reached.
        eta: seconds until the run ends, while it is running.
        memory: bytes now, or the peak of a run that ended; None while nothing was measured.
        where: host and pid of the newest attempt.
    """

    run: PlannedRun
    status: RunStatus
    state: str
    progress: Progress
    value: float | None
    common: float | None
    eta: float | None
    device: str
    memory: float | None
    where: str
    why: str = ""
    problem: str = ""

    @property
    def ended(self) -> bool:
        return self.state == NOT_NEEDED or self.status in {
            RunStatus.COMPLETE,
            RunStatus.FAILED,
            RunStatus.PRUNED,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStatus:
    """All runs of a plan.

    `step`: the last step that every trained run has validated at, if any; `eta`: seconds until all
    have ended, on as many slots as are busy now, those `to_come` counted in. `rule`: sentences on
    what the verdicts decide by, and how often they were looked at.
    """

    study: str
    profile: str | None
    metric: str
    step: int | None
    eta: float | None
    runs: tuple[RunState, ...]
    rule: tuple[str, ...] = ()
    to_come: ToCome = NOTHING


def study_status(plan: Plan, store: Store, ledger: Ledger, metric: str = "psnr") -> StudyStatus:
    """Read the state of every run of `plan`, with `metric` of its validations."""
    with remembering(store.root):
        return _study_status(plan, store, ledger, metric)


def _study_status(plan: Plan, store: Store, ledger: Ledger, metric: str) -> StudyStatus:
    runs = plan.distinct_runs
    looks = read_looks(store, plan)
    opened = {run.run_id for run in opened_runs(plan, looks)}
    holds = ledger.holds([run.run_id for run in runs])
    read = {run.run_id: _progress(store.run_dir(run.run_id)) for run in runs}
    problems = {run_id: problem for run_id, (_, problem) in read.items() if problem}
    progress = {run_id: found for run_id, (found, _) in read.items()}
    trained = [run for run in runs if run.seed is not None and run.run_id in opened]
    step = common_step([progress[run.run_id] for run in trained])
    owners = [hold.owner for hold in holds.values() if is_active(hold)]
    memory = memory_of([owner.pid for owner in owners if owner.host == socket.gethostname()])
    pruned = pruned_runs(store, plan)
    states = tuple(
        _behind_parents(
            store,
            _state(
                run,
                progress[run.run_id],
                holds.get(run.run_id),
                metric,
                step,
                memory,
                pruned,
                problems.get(run.run_id, ""),
            ),
        )
        if run.run_id in opened
        else _unopened(run, looks)
        for run in runs
    )
    states += tuple(_evaluation_states(plan, store, ledger, opened, metric))
    running = sum(each.status is RunStatus.RUNNING for each in states)
    following = to_come(plan, looks)
    return StudyStatus(
        study=plan.study,
        profile=plan.profile,
        metric=metric,
        step=step,
        eta=study_seconds_left(
            [each for each in states if each.run.run_id in opened], running, following.runs
        )
        if running
        else None,
        to_come=following,
        rule=tuple(standing_rule(store, plan)),
        runs=states,
    )


def _evaluation_states(
    plan: Plan, store: Store, ledger: Ledger, opened: Collection[str], metric: str
) -> Iterator[RunState]:
    """Yield the states of the evaluations, on further test sets, of the runs that are opened."""
    runs = [run for run in plan.evaluations if all(each.run_id in opened for each in run.parents)]
    holds = ledger.holds([run.run_id for run in runs]) if runs else {}
    for run in runs:
        progress, problem = _progress(store.run_dir(run.run_id))
        hold = holds.get(run.run_id)
        state = _state(run, progress, hold, metric, None, {}, frozenset(), problem)
        yield _behind_parents(store, state)


def _progress(folder: Path) -> tuple[Progress, str]:
    """Return how far a run is, and why its record cannot be read; empty where it can be."""
    try:
        return progress_of(folder), ""
    except RecordError as error:
        return Progress(), str(error)


def common_step(runs: Sequence[Progress]) -> int | None:
    """Return the last step at which every started run was validated; None before there is one."""
    started = [set(each.curve) for each in runs if each.attempt]
    shared = set.intersection(*started) if started else set()
    return max(shared, default=None)


def _status(progress: Progress, hold: Hold | None) -> RunStatus:
    if is_active(hold):
        return RunStatus.RUNNING
    if not progress.attempt:
        return RunStatus.PLANNED
    return RunStatus(progress.finish.status) if progress.finish else RunStatus.STOPPED


def _state(
    run: PlannedRun,
    progress: Progress,
    hold: Hold | None,
    metric: str,
    step: int | None,
    memory: Mapping[int, float],
    pruned: frozenset[str],
    problem: str,
) -> RunState:
    status = status_in(run.run_id, _status(progress, hold), pruned)
    if problem and status is not RunStatus.RUNNING:
        status = RunStatus.FAILED
    running = status is RunStatus.RUNNING
    asked = hold is not None and hold.asked_to_stop
    last = progress.curve[max(progress.curve)] if progress.curve else {}
    peak = progress.finish.peak_memory if progress.finish else 0
    owner = hold.owner if hold is not None and running else None
    about = progress.environment
    place = [about[key] for key in ("host", "pid") if key in about]
    if owner is not None:
        place = [owner.host, owner.pid]
    return RunState(
        run=run,
        status=status,
        state=UNREADABLE if problem else "stopping" if running and asked else str(status),
        progress=progress,
        value=last.get(metric),
        common=None if step is None else progress.curve.get(step, {}).get(metric),
        eta=run_seconds_left(status, progress),
        device=str(about.get("device", "")),
        memory=(memory.get(owner.pid) if owner is not None else None) or peak or None,
        where=" ".join(map(str, place)),
        why=_stopped(progress, hold) if status is RunStatus.STOPPED else "",
        problem=problem,
    )


def _stopped(progress: Progress, hold: Hold | None) -> str:
    """Return what stopped a run whose newest attempt is over and has no result."""
    if not progress.loses and progress.finish is not None:
        return progress.finish.message or "stopped on request"
    why = progress.finish.message if progress.finish is not None else silence(hold)
    return f"{why}; {last_checkpoint(progress)}"


def _behind_parents(store: Store, state: RunState) -> RunState:
    """Return the state of a run, which waits as long as a run it builds on has no result."""
    if not state.run.parents or state.problem or state.status is not RunStatus.PLANNED:
        return state
    why = unready_parent(store.root / "runs", state.run.parents)
    return replace(state, state=WAITING, why=why) if why else state


def _unopened(run: PlannedRun, looks: tuple[SeedLook, ...]) -> RunState:
    """Return the state of a run that adaptive seeds do not ask for, or not yet."""
    state, why = unopened_state(run, looks)
    return RunState(
        run=run,
        status=RunStatus.PLANNED,
        state=state,
        progress=Progress(),
        value=None,
        common=None,
        eta=None,
        device="",
        memory=None,
        where="",
        why=why,
    )


def run_seconds_left(status: RunStatus, progress: Progress) -> float | None:
    """Return the seconds until a running run ends; None before its first steps."""
    if status is not RunStatus.RUNNING or progress.rate is None:
        return None
    return max(progress.total - progress.step, 0) / progress.rate


def _duration(view: RunView | RunState) -> float | None:
    """Return the seconds that the whole run takes; None before its first steps."""
    progress = view.progress
    if progress.finish is not None and progress.finish.status == RunStatus.COMPLETE:
        done = progress.finish.step - progress.first_step
        took = progress.finish.seconds
        return took * progress.total / done if done > 0 else took
    return progress.total / progress.rate if progress.rate else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def study_seconds_left(
    views: Sequence[RunView | RunState], slots: int, more: int = 0
) -> float | None:
    """Return the seconds until all runs ended on `slots` slots; None while nothing is known.

    A run that has not started is assumed to last as long as the mean of its variant's other
    replicates, or else of all trained runs; so are `more` runs that are not known yet.
    """
    whole = {view.run.run_id: _duration(view) for view in views}
    by_variant: dict[str, list[float | None]] = {}
    for view in views:
        by_variant.setdefault(view.run.variant, []).append(whole[view.run.run_id])
    mean = {variant: _mean(values) for variant, values in by_variant.items()}
    overall = _mean(whole[view.run.run_id] for view in views if view.run.seed is not None)
    going = [view for view in views if not view.ended]
    known = [
        run_seconds_left(view.status, view.progress) or mean[view.run.variant] or overall
        for view in going
    ]
    left = [seconds for seconds in known if seconds is not None]
    if (going and not left) or (more and overall is None):
        return None
    left += [overall or 0.0] * more
    return max(sum(left) / max(slots, 1), max(left, default=0.0))


def standing_rule(store: Store, plan: Plan) -> Iterator[str]:
    """Yield the recorded rule of a study, how often its verdicts were looked at and what they last
    were; why not, where the log of verdicts cannot be read."""
    try:
        log = read_log(store, plan)
    except RecordError as error:
        yield f"The rule of the verdicts cannot be told: {error}."
        return
    if log.rules:
        yield from rule_history(log.rules[-1].rule, log.rules)
    yield from filter(None, (looks_taken(log), last_words(log)))
