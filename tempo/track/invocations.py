"""Record the executions of a study on disk, with the packages installed on their machine."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from tempo.core.records import Plan, RunStatus
from tempo.ledger.port import this_process
from tempo.records.files import write_atomic
from tempo.records.layout import Store
from tempo.track.mirror_state import InvocationState, MirrorState
from tempo.track.mlflow.replicate_summary import as_metrics, read_runs, summarise

SLACK = 1.0
"""Seconds by which clocks of two processes may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocations:
    """The invocations of one plan's study in one store."""

    store: Store
    plan: Plan
    state: MirrorState

    def begin(self, about: Mapping[str, Any]) -> str:
        """Record that this process carries out the study now, and return the invocation's id.

        `about` may bring its own `id` and `started` (Unix seconds).
        """
        process = this_process()
        rest = dict(about)
        started = float(rest.pop("started", time.time()))
        name = str(rest.pop("id", f"{int(started * 1000)}-{process.pid}"))
        invocation = InvocationState(id=name, started=started, about=rest, process=process)
        self.state.save_invocation(invocation)
        return invocation.id

    def end(
        self,
        invocation: InvocationState,
        status: str,
        artifacts: Sequence[Path] = (),
        metrics: Mapping[str, float] | None = None,
        at: float | None = None,
    ) -> None:
        """Record how an invocation ended and the metrics that its parent run will show."""
        invocation.ended = time.time() if at is None else at
        invocation.status = str(status)
        invocation.artifacts = tuple(str(path.resolve()) for path in artifacts)
        invocation.metrics = as_metrics(summarise(self.store, self.plan)) | dict(metrics or {})
        self.state.save_invocation(invocation)

    def get(self, invocation_id: str) -> InvocationState:
        return next(each for each in self.state.invocations() if each.id == invocation_id)

    def parent_at(self, moment: float) -> InvocationState:
        """Return the invocation that started an attempt at `moment`: the newest one before it."""
        known = self.state.invocations()
        before = [each for each in known if each.started <= moment + SLACK]
        return before[-1] if before else known[0]

    def live(self, but: str | None) -> bool:
        """Whether an invocation other than `but` may still be running."""
        unfinished = (each for each in self.state.invocations() if each.ended is None)
        return any(each.id != but and not each.abandoned for each in unfinished)

    def close_dead(self, own: str | None, *, over: bool) -> None:
        """End the invocations whose process is gone, at the time of the last event.

        With `over`, no process carries out the study: all but `own` are ended.
        """
        for each in self.state.invocations():
            if each.id != own and each.ended is None and (over or each.abandoned):
                self.end(each, self._outcome(), at=max(each.started, *self._span()))

    def supply(self) -> None:
        """Add an invocation for records that were made without a mirror."""
        if not self.state.invocations():
            started = self._span()[0]
            self.state.save_invocation(InvocationState(id="records", started=started))

    def _span(self) -> tuple[float, float]:
        """Return when the first attempt of the plan's runs began and the last event was written."""
        attempts = [a for record in read_runs(self.store, self.plan) for a in record.attempts]
        if not attempts:
            return 0.0, 0.0
        return min(a.started for a in attempts), max(a.ended for a in attempts)

    def _outcome(self) -> str:
        records = read_runs(self.store, self.plan)
        statuses = {record.status for record in records}
        if RunStatus.FAILED in statuses:
            return "failed"
        whole = len(records) == len(self.plan.distinct_runs) and statuses == {RunStatus.COMPLETE}
        return "complete" if whole else "stopped"


SECONDS = 20.0


@cache
def installed() -> str:
    """Return the installed distributions as `name==version` lines, as `pip freeze` does."""
    found = {
        f"{each.metadata['Name']}=={each.version}" for each in distributions() if each.metadata
    }
    return "".join(f"{line}\n" for line in sorted(found, key=str.lower))


def gpu_report() -> str | None:
    """Return the output of nvidia-smi, also of a failure; None on a machine without it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"nvidia-smi gave no answer in {SECONDS:.0f} s\n"
    return done.stdout + done.stderr


def describe(folder: Path) -> None:
    """Write `requirements.txt` and, where there is a GPU, `nvidia-smi.txt`, once."""
    if (folder / "requirements.txt").is_file():
        return
    report = gpu_report()
    if report is not None:
        write_atomic(folder / "nvidia-smi.txt", lambda file: file.write(report.encode()))
    write_atomic(folder / "requirements.txt", lambda file: file.write(installed().encode()))
