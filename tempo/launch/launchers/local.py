"""Launch runs on this machine: one process per run, a fixed number at the same time."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tempo.core.jobs import JobSpec, JobState, JobStatus
from tempo.launch.launchers.process_groups import KILL, signal_group
from tempo.launch.launchers.worker_processes import SERVER_GONE, Child, Start, spawn
from tempo.launch.scheduling.slot_table import SlotTable, parts_of
from tempo.launch.worker_command import exit_state


@dataclass(slots=True)
class _Running:
    child: Child
    slot: int


class LocalLauncher:
    """Processes on this machine.

    Args:
        slots: environment of each slot, such as the GPU it owns; one run occupies one slot.
        start: how a process is started.
        natural: the slots that the machine has, where `slots` are fewer: any of them is used.
        table: the list of slots that all invocations on this machine share; None: there is none.
    """

    # Each worker leads a process group of its own: Ctrl-C in the terminal reaches the driver alone,
    # which then asks the workers to leave, and `kill` ends a worker's children with it.

    def __init__(
        self,
        slots: Sequence[Mapping[str, str]],
        start: Start = spawn,
        *,
        natural: Sequence[Mapping[str, str]] = (),
        table: SlotTable | None = None,
    ) -> None:
        self._environments = tuple(slots if len(slots) >= len(natural) else natural)
        self.slots = len(slots)
        self._parts = parts_of(self._environments, natural)
        self._start, self._table = start, table
        self._jobs: dict[str, _Running] = {}
        self._reserved: list[int] = []

    def submit(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        for job in jobs:
            if job.key not in self._jobs:
                slot = self._free_slot(job.avoid)
                self._jobs[job.key] = _Running(self._start(job, self._environments[slot]), slot)
        return {job.key: str(self._jobs[job.key].child.pid) for job in jobs}

    def attach(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Find nothing: workers on this machine end with the driver that started them."""
        return {}

    def reserve(self, priority: int, avoid: Collection[str] = ()) -> bool:
        """Reserve a slot for the job that is submitted next, among all invocations that share the
        machine; False where the job has to wait."""
        if self._table is None:
            return True
        taken = {job.slot for job in self._jobs.values()} | {*self._reserved}
        if len(taken) >= self.slots:
            return False
        free = [slot for slot in range(len(self._parts)) if slot not in taken]
        free.sort(key=lambda slot: self._name(slot) in avoid)
        slot = self._table.take({each: self._parts[each] for each in free}, priority)
        if slot is not None:
            self._reserved.append(slot)
        return slot is not None

    def withdraw(self) -> None:
        """Wait for a slot no more."""
        if self._table is not None:
            self._table.withdraw()

    def asked_back(self) -> Mapping[str, str]:
        """Return the keys of the jobs whose slots a higher priority waits for, and for whom."""
        if self._table is None or not self._jobs:
            return {}
        slots = self._table.asked_back()
        return {key: slots[job.slot] for key, job in self._jobs.items() if job.slot in slots}

    @property
    def holders(self) -> Sequence[str]:
        """What other invocations have of the slots that a job waits for, in words."""
        return () if self._table is None else self._table.holders

    def close(self) -> None:
        """Give all slots back to the other invocations."""
        if self._table is not None:
            self._table.close()

    def _free_slot(self, avoid: Collection[str]) -> int:
        if self._reserved:
            return self._reserved.pop(0)
        busy = {job.slot for job in self._jobs.values() if job.child.code() is None}
        free = [slot for slot in range(len(self._environments)) if slot not in busy]
        if len(busy) >= self.slots or not free:
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
        job = self._jobs.pop(key)
        if self._table is not None:
            self._table.release(job.slot)

    def cancel(self, keys: Iterable[str]) -> None:
        self._signal(keys, signal.SIGTERM)

    def kill(self, keys: Iterable[str]) -> None:
        self._signal(keys, KILL)

    def _signal(self, keys: Iterable[str], number: int) -> None:
        for key in keys:
            job = self._jobs.get(key)
            if job is not None and job.child.code() is None:
                signal_group(job.child.pid, number)
