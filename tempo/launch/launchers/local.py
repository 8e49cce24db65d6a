"""Launch runs on this machine: one process per run, a fixed number at the same time."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tempo.core.jobs import JobSpec, JobState, JobStatus
from tempo.launch.launchers.worker_processes import KILL, Child, Start, signal_group, spawn
from tempo.launch.worker_command import exit_state

SERVER_GONE = 255
"""Exit code of a forked worker whose fork server died before it could report the exit."""


@dataclass(slots=True)
class _Running:
    child: Child
    slot: int


class LocalLauncher:
    """Processes on this machine.

    Args:
        slots: environment of each slot, such as the GPU it owns; one run occupies one slot.
        start: how a process is started.
    """

    # Each worker leads a process group of its own: Ctrl-C in the terminal reaches the driver alone,
    # which then asks the workers to leave, and `kill` ends a worker's children with it.

    def __init__(self, slots: Sequence[Mapping[str, str]], start: Start = spawn) -> None:
        self._environments, self.slots = tuple(slots), len(slots)
        self._start = start
        self._jobs: dict[str, _Running] = {}

    def submit(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        for job in jobs:
            if job.key not in self._jobs:
                slot = self._free_slot(job.avoid)
                self._jobs[job.key] = _Running(self._start(job, self._environments[slot]), slot)
        return {job.key: str(self._jobs[job.key].child.pid) for job in jobs}

    def attach(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Find nothing: workers on this machine end with the driver that started them."""
        return {}

    def _free_slot(self, avoid: Collection[str]) -> int:
        busy = {job.slot for job in self._jobs.values() if job.child.code() is None}
        free = [slot for slot in range(self.slots) if slot not in busy]
        if not free:
            raise RuntimeError(f"all {self.slots} slots are busy")
        return next((slot for slot in free if self._name(slot) not in avoid), free[0])

    def _name(self, slot: int) -> str:
        """Return the printed name of a slot; empty where slots do not differ."""
        gpus = self._environments[slot].get("CUDA_VISIBLE_DEVICES")
        return f"GPU {gpus}" if gpus else ""

    def poll(self) -> Mapping[str, JobStatus]:
        return {key: self._status(job) for key, job in self._jobs.items()}

    def _status(self, job: _Running) -> JobStatus:
        code, where = job.child.code(), self._name(job.slot)
        if code is None:
            return JobStatus(state=JobState.RUNNING, where=where)
        state = JobState.LOST if code == SERVER_GONE else exit_state(code)
        return JobStatus(state=state, code=code, where=where)

    def forget(self, key: str) -> None:
        del self._jobs[key]

    def cancel(self, keys: Iterable[str]) -> None:
        self._signal(keys, signal.SIGTERM)

    def kill(self, keys: Iterable[str]) -> None:
        self._signal(keys, KILL)

    def _signal(self, keys: Iterable[str], number: int) -> None:
        for key in keys:
            job = self._jobs.get(key)
            if job is not None and job.child.code() is None:
                signal_group(job.child.pid, number)
