"""Carrying out a plan: which run next, what became of it, whether to try again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tempo.core.jobs import JobSpec, JobState, JobStatus, Launcher
from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.launch.autopsy import record_death
from tempo.records.layout import Store
from tempo.records.log import last_attempt
from tempo.records.run import read_run
from tempo.records.tail import Progress, Tail

RETRIES = 2
"""How often a run is tried again after its worker was killed from outside."""

BUSY_PAUSE = 3.0
"""Seconds before asking again for a run that another invocation is carrying out."""


def is_complete(folder: Path) -> bool:
    """Whether a run's folder holds a finished result."""
    return (folder / "run.json").is_file() and read_run(folder).status is RunStatus.COMPLETE


@dataclass(slots=True)
class RunView:
    """A run as the scheduler sees it now."""

    run: PlannedRun
    status: RunStatus
    tail: Tail
    reused: bool = False
    lost: int = 0
    attempt: int = 0
    not_before: float = 0.0
    log: Path = field(default_factory=Path)

    @property
    def progress(self) -> Progress:
        return self.tail.progress

    @property
    def ended(self) -> bool:
        return self.status in {RunStatus.COMPLETE, RunStatus.FAILED}


class Scheduler:
    """Carries out the runs of a plan that are not complete yet.

    Call `step` again and again; between calls, `runs` tells what there is to show. Complete runs
    are reused, never repeated; a run that failed before is tried again.

    Args:
        command: the worker's argument vector for a run's folder.
        fail_fast: stop everything at the first failure instead of going on.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        launcher: Launcher,
        *,
        command: Callable[[Path], Sequence[str]],
        fail_fast: bool = False,
    ) -> None:
        self.plan, self.store, self.launcher = plan, store, launcher
        self._command, self._fail_fast = command, fail_fast
        self.stopping = False
        self.runs = {run.run_id: self._view(run) for run in plan.distinct_runs}

    def _view(self, run: PlannedRun) -> RunView:
        folder = self.store.run_dir(run.run_id)
        complete = is_complete(folder)
        if not complete:
            self.store.save_run(self.plan.spec_of(run))
        view = RunView(
            run=run,
            status=RunStatus.COMPLETE if complete else RunStatus.PLANNED,
            tail=Tail(folder),
            reused=complete,
        )
        for _ in view.tail.read():
            pass
        return view

    def step(self) -> bool:
        """Look at what happened, start what can start; True while something is left to do."""
        for key, status in dict(self.launcher.poll()).items():
            view = self.runs[key]
            for _ in view.tail.read():
                pass
            if not status.state.live:
                self.launcher.forget(key)
                self._ended(view, status)
        if not self.stopping:
            self._fill()
        busy = any(view.status is RunStatus.RUNNING for view in self.runs.values())
        return busy or (not self.stopping and bool(self._waiting()))

    def stop(self) -> None:
        """Start nothing more and ask the running workers to checkpoint and leave."""
        self.stopping = True
        self.launcher.cancel(list(self.launcher.poll()))

    def kill(self) -> None:
        """End the running workers at once."""
        self.stopping = True
        self.launcher.kill(list(self.launcher.poll()))

    def _waiting(self) -> list[RunView]:
        states = {RunStatus.PLANNED, RunStatus.STOPPED}
        return [view for view in self.runs.values() if view.status in states]

    def _fill(self) -> None:
        free = (self.launcher.slots or len(self.runs)) - len(self.launcher.poll())
        now = time.monotonic()
        ready = [view for view in self._waiting() if view.not_before <= now]
        for view in ready[: max(free, 0)]:
            self._start(view)

    def _start(self, view: RunView) -> None:
        folder = view.tail.folder
        view.attempt = last_attempt(folder) + 1
        view.log = folder / "attempts" / f"{view.attempt}.log"
        view.status = RunStatus.RUNNING
        job = JobSpec(key=view.run.run_id, argv=self._command(folder), log=view.log)
        self.launcher.submit([job])

    def _ended(self, view: RunView, status: JobStatus) -> None:
        """Decide by the records; the exit code only says what the records cannot."""
        progress = view.progress
        # An attempt that died before its first event leaves the end of an older one to be seen.
        finish = progress.finish if progress.attempt >= view.attempt else None
        if finish is not None and finish.status in {RunStatus.COMPLETE, RunStatus.STOPPED}:
            view.status = RunStatus(finish.status)
        elif status.state is JobState.BUSY:
            view.status = RunStatus.PLANNED
            view.not_before = time.monotonic() + BUSY_PAUSE
        elif self.stopping:
            view.status = RunStatus.STOPPED
        elif finish is None and status.state is JobState.LOST and view.lost < RETRIES:
            view.lost += 1
            view.status = RunStatus.PLANNED
        else:
            self._failed(view, status)

    def _failed(self, view: RunView, status: JobStatus) -> None:
        record_death(view.tail.folder, status, view.log, attempt=view.attempt)
        for _ in view.tail.read():
            pass
        view.status = RunStatus.FAILED
        if self._fail_fast:
            self.stop()
