"""How the runs of a plan stand, read from the records and the ledger by anybody at any time."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.launch.accounting.gpu_usage import memory_of
from tempo.launch.scheduling.time_left import run_seconds_left, study_seconds_left
from tempo.ledger.owner import goes_on
from tempo.ledger.port import Hold, Ledger
from tempo.records.event_tail import Progress, Tail
from tempo.records.layout import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One run.

    Attributes:
        state: a RunStatus, or `stopping` while it is running and asked to stop.
        value: the metric at the last validation; `common`: at the step all runs have reached.
        eta: seconds until it ends, while it is running.
        memory: bytes; of a run that ended its peak, which is None while nothing was measured.
        where: host and pid of the attempt, the last one if it ended.
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
class StudyStanding:
    """All runs of a plan. `step`: the last step that every trained run has validated at, if any;
    `eta`: seconds until all ended, on as many slots as are busy now."""

    study: str
    profile: str | None
    metric: str
    step: int | None
    eta: float | None
    runs: tuple[Standing, ...]


def standing_of(plan: Plan, store: Store, ledger: Ledger, metric: str = "psnr") -> StudyStanding:
    """Read how every run of `plan` stands."""
    runs = plan.distinct_runs
    holds = ledger.holds([run.run_id for run in runs])
    progress = {run.run_id: _progress(store, run) for run in runs}
    step = common_step([p for run in runs if run.seed is not None and (p := progress[run.run_id])])
    memory = _memory(progress, holds)
    standings = tuple(
        _standing(run, progress[run.run_id], holds.get(run.run_id), metric, step, memory)
        for run in runs
    )
    going = sum(each.status is RunStatus.RUNNING for each in standings)
    return StudyStanding(
        study=plan.study,
        profile=plan.profile,
        metric=metric,
        step=step,
        eta=study_seconds_left(standings, going) if going else None,
        runs=standings,
    )


def common_step(runs: Sequence[Progress]) -> int | None:
    """The last step at which every run that began was validated; None before there is one."""
    begun = [set(each.curve) for each in runs if each.attempt]
    shared = set.intersection(*begun) if begun else set()
    return max(shared, default=None)


def _progress(store: Store, run: PlannedRun) -> Progress:
    tail = Tail(store.run_dir(run.run_id))
    tail.catch_up()
    return tail.progress


def _status(progress: Progress, hold: Hold | None) -> RunStatus:
    if goes_on(hold):
        return RunStatus.RUNNING
    if not progress.attempt:
        return RunStatus.PLANNED
    return RunStatus(progress.finish.status) if progress.finish else RunStatus.STOPPED


def _memory(progress: Mapping[str, Progress], holds: Mapping[str, Hold]) -> dict[int, float]:
    """Memory of the running workers on this host, by pid."""
    here = socket.gethostname()
    going = [holds[key] for key in progress if key in holds and goes_on(holds[key])]
    return memory_of([hold.owner.pid for hold in going if hold.owner.host == here])


def _standing(
    run: PlannedRun,
    progress: Progress,
    hold: Hold | None,
    metric: str,
    step: int | None,
    memory: Mapping[int, float],
) -> Standing:
    status = _status(progress, hold)
    running = status is RunStatus.RUNNING
    asked = hold is not None and hold.asked_to_stop
    last = progress.curve[max(progress.curve)] if progress.curve else {}
    peak = progress.finish.peak_memory if progress.finish else 0
    pid = hold.owner.pid if hold is not None and running else None
    return Standing(
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
