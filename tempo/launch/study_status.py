"""Read the status of every run of a plan from the records and the ledger."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.launch.accounting.gpu_usage import memory_of
from tempo.launch.scheduling.time_left import run_seconds_left, study_seconds_left
from tempo.ledger.port import Hold, Ledger, is_active
from tempo.records.event_log import Progress, Tail
from tempo.records.layout import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """One run.

    Attributes:
        state: a RunStatus, or `stopping` while the run is running and was asked to stop.
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

    @property
    def ended(self) -> bool:
        return self.status in {RunStatus.COMPLETE, RunStatus.FAILED, RunStatus.PRUNED}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStatus:
    """All runs of a plan. `step`: the last step that every trained run has validated at, if any;
    `eta`: seconds until all have ended, on as many slots as are busy now."""

    study: str
    profile: str | None
    metric: str
    step: int | None
    eta: float | None
    runs: tuple[RunState, ...]


def study_status(plan: Plan, store: Store, ledger: Ledger, metric: str = "psnr") -> StudyStatus:
    """Read the state of every run of `plan`, with `metric` of its validations."""
    runs = plan.distinct_runs
    holds = ledger.holds([run.run_id for run in runs])
    progress = {run.run_id: _progress(store, run) for run in runs}
    step = common_step([p for run in runs if run.seed is not None and (p := progress[run.run_id])])
    memory = _memory(holds)
    states = tuple(
        _state(run, progress[run.run_id], holds.get(run.run_id), metric, step, memory)
        for run in runs
    )
    running = sum(each.status is RunStatus.RUNNING for each in states)
    return StudyStatus(
        study=plan.study,
        profile=plan.profile,
        metric=metric,
        step=step,
        eta=study_seconds_left(states, running) if running else None,
        runs=states,
    )


def common_step(runs: Sequence[Progress]) -> int | None:
    """Return the last step at which every started run was validated; None before there is one."""
    started = [set(each.curve) for each in runs if each.attempt]
    shared = set.intersection(*started) if started else set()
    return max(shared, default=None)


def _progress(store: Store, run: PlannedRun) -> Progress:
    tail = Tail(store.run_dir(run.run_id))
    tail.catch_up()
    return tail.progress


def _status(progress: Progress, hold: Hold | None) -> RunStatus:
    if is_active(hold):
        return RunStatus.RUNNING
    if not progress.attempt:
        return RunStatus.PLANNED
    return RunStatus(progress.finish.status) if progress.finish else RunStatus.STOPPED


def _memory(holds: Mapping[str, Hold]) -> dict[int, float]:
    """Return the memory of the running workers on this host in bytes, by pid."""
    owners = [hold.owner for hold in holds.values() if is_active(hold)]
    return memory_of([owner.pid for owner in owners if owner.host == socket.gethostname()])


def _state(
    run: PlannedRun,
    progress: Progress,
    hold: Hold | None,
    metric: str,
    step: int | None,
    memory: Mapping[int, float],
) -> RunState:
    status = _status(progress, hold)
    running = status is RunStatus.RUNNING
    asked = hold is not None and hold.asked_to_stop
    last = progress.curve[max(progress.curve)] if progress.curve else {}
    peak = progress.finish.peak_memory if progress.finish else 0
    pid = hold.owner.pid if hold is not None and running else None
    return RunState(
        run=run,
        status=status,
        state="stopping" if running and asked else str(status),
        progress=progress,
        value=last.get(metric),
        common=None if step is None else progress.curve.get(step, {}).get(metric),
        eta=run_seconds_left(status, progress),
        device=str(progress.environment.get("device", "")),
        memory=(memory.get(pid) if pid is not None else None) or peak or None,
        where=_where(progress, hold if running else None),
    )


def _where(progress: Progress, hold: Hold | None) -> str:
    if hold is not None:
        return f"{hold.owner.host} {hold.owner.pid}"
    place = [str(progress.environment[k]) for k in ("host", "pid") if k in progress.environment]
    return " ".join(place)
