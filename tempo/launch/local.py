"""Runs on this machine: one process per run, a fixed number side by side."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tempo.core.jobs import BUSY, RESUMABLE, JobSpec, JobState, JobStatus


@dataclass(slots=True)
class _Process:
    popen: subprocess.Popen[bytes]
    slot: int


class LocalLauncher:
    """Subprocesses on this machine.

    Args:
        slots: environment of each slot, such as the GPU it owns; one run occupies one slot.

    Each worker leads a process group of its own, so that Ctrl-C in the terminal reaches the
    scheduler alone, and `kill` takes a worker's children along.
    """

    def __init__(self, slots: Sequence[Mapping[str, str]]) -> None:
        self._environments = tuple(slots)
        self._jobs: dict[str, _Process] = {}

    @property
    def slots(self) -> int:
        return len(self._environments)

    def submit(self, job: JobSpec) -> None:
        if job.key in self._jobs:
            return
        slot = self._free_slot()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("ab") as log:
            popen = subprocess.Popen(
                list(job.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **job.env, **self._environments[slot]},
                start_new_session=True,
            )
        self._jobs[job.key] = _Process(popen, slot)

    def _free_slot(self) -> int:
        busy = {job.slot for job in self._jobs.values() if job.popen.poll() is None}
        free = [slot for slot in range(self.slots) if slot not in busy]
        if not free:
            raise RuntimeError(f"all {self.slots} slots are busy")
        return free[0]

    def poll(self) -> Mapping[str, JobStatus]:
        return {key: _status(job.popen.poll()) for key, job in self._jobs.items()}

    def forget(self, key: str) -> None:
        del self._jobs[key]

    def stop(self, keys: Iterable[str]) -> None:
        self._signal(keys, signal.SIGTERM)

    def kill(self, keys: Iterable[str]) -> None:
        self._signal(keys, signal.SIGKILL)

    def _signal(self, keys: Iterable[str], number: signal.Signals) -> None:
        for key in keys:
            job = self._jobs.get(key)
            if job is None or job.popen.poll() is not None:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.popen.pid, number)


def _status(code: int | None) -> JobStatus:
    """What an exit code means; a death by signal is LOST, for the records to explain."""
    if code is None:
        return JobStatus(state=JobState.RUNNING)
    states = {0: JobState.OK, RESUMABLE: JobState.STOPPED, BUSY: JobState.PENDING}
    default = JobState.LOST if code < 0 else JobState.FAILED
    return JobStatus(state=states.get(code, default), code=code)
