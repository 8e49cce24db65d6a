"""Launch runs as Ray Jobs: submit them over HTTP, follow them, cancel them, from anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from tempo.core.errors import SpecError
from tempo.core.jobs import JobSpec, JobState, JobStatus
from tempo.launch.launchers.cluster.contact import Contact, new_name
from tempo.launch.launchers.ray.job_client import RayJobs, Row
from tempo.launch.launchers.ray.job_state import status_of
from tempo.launch.launchers.ray.request import RayPolicy, job_request, with_values, written_code
from tempo.records.files import write_json

WAITS = JobStatus(state=JobState.PENDING)


@dataclass(slots=True)
class _Job:
    """A run that this driver submitted, holds back or took over.

    `spec` is None for a job of another driver. `sent`: Ray has it, as far as is known.
    """

    name: str
    spec: JobSpec | None = None
    sent: bool = False
    status: JobStatus = field(default_factory=lambda: WAITS)
    asked: float | None = None
    stopped: bool = False


class RayLauncher:
    """A launcher of Ray Jobs, which continue to run when their driver exits.

    A job runs once: Ray starts none again, whatever became of its node. So a job that was lost is
    told as lost, and whoever follows the study submits its run again. Jobs that wait for others
    (`JobSpec.after`) are held back here, because Ray lets none wait. `JobSpec.avoid` is not heeded:
    Ray takes dead nodes out of service itself.

    Args:
        root: folder for what is submitted, on a file system that all nodes share.
        say: called with a message when Ray stops answering, and when it answers again.
        ask: asks runs through the ledger to leave. Ray's own stop signals every process of a job,
            those that prepare batches too, so it comes `policy.notice` seconds later, for what did
            not leave. None: there is no ledger, and Ray's stop comes at once.
    """

    slots: int | None = None

    def __init__(
        self,
        root: Path,
        policy: RayPolicy,
        ray: RayJobs | None = None,
        say: Callable[[str], None] = lambda text: None,
        ask: Callable[[Sequence[str]], None] | None = None,
    ) -> None:
        self.root, self._policy, self._ask = root, policy, ask
        self._ray = ray or RayJobs(policy.address)
        self._contact = Contact("Ray", say)
        self._jobs: dict[str, _Job] = {}
        self._next = 0.0

    def submit(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        for job in jobs:
            if job.resources.nodes > 1:
                raise SpecError(
                    f"resources.nodes is {job.resources.nodes}, and a Ray job reserves one node: "
                    "train on the GPUs of one (resources.gpus_per_run), or choose --launcher slurm"
                )
        for job in jobs:
            if not self._live(job.key):
                self._jobs[job.key] = _Job(self._new_name(job), job)
        self._advance()
        return {job.key: self._jobs[job.key].name for job in jobs}

    def requests(self, jobs: Sequence[JobSpec]) -> list[dict[str, Any]]:
        """Return the requests that `submit` would make, without Ray; ids end in a number."""
        study = self._policy.study
        return [
            job_request(job, f"{study}-{job.key}-{number}", self.root, self._policy)
            for number, job in enumerate(jobs)
        ]

    def poll(self) -> Mapping[str, JobStatus]:
        if self._jobs and time.monotonic() >= self._next:
            with self._contact.asking():
                self._look()
            self._advance()
            self._next = time.monotonic() + self._policy.poll
        return {key: job.status for key, job in self._jobs.items()}

    def attach(self, keys: Iterable[str]) -> Mapping[str, str]:
        wanted = set(keys)
        if not wanted or not self.root.is_dir():
            return {}
        found: dict[str, str] = {}
        for row in self._ray.rows():
            if row.run not in wanted or "/" in row.name or not (self.root / row.name).is_dir():
                continue
            status = self._status(row.name, row)
            if status.state.live:
                self._jobs[row.run] = _Job(row.name, sent=True, status=status)
                found[row.run] = row.name
        return found

    def forget(self, key: str) -> None:
        del self._jobs[key]

    def cancel(self, keys: Iterable[str]) -> None:
        live = self._withdrawn(keys)
        if self._ask is not None and live:
            self._ask([key for key, _ in live])
            for _, job in live:
                job.asked = job.asked or time.monotonic()
            live = [(key, job) for key, job in live if job.status.state is JobState.PENDING]
        with self._contact.asking():
            self._stop(job for _, job in live)
        self._next = 0.0

    def kill(self, keys: Iterable[str]) -> None:
        live = self._withdrawn(keys)
        with self._contact.asking():
            self._stop(job for _, job in live)
        self._next = 0.0

    def _withdrawn(self, keys: Iterable[str]) -> list[tuple[str, _Job]]:
        """Cancel what Ray does not have yet, mark what it has not begun; return what is with it."""
        live = [(key, self._jobs[key]) for key in keys if self._live(key)]
        for _, job in live:
            if not job.sent:
                job.status = JobStatus(state=JobState.CANCELLED)
            elif job.status.state is JobState.PENDING:
                # Ray stops no job that waits for its turn: its shell finds this and leaves.
                (self.root / job.name / "withdrawn").touch()
        return [(key, job) for key, job in live if job.status.state.live]

    def _stop(self, jobs: Iterable[_Job]) -> None:
        for job in jobs:
            self._ray.stop(job.name)
            job.stopped = True

    def _live(self, key: str) -> bool:
        return key in self._jobs and self._jobs[key].status.state.live

    def _new_name(self, job: JobSpec) -> str:
        # Never the same twice: an id that was used a moment ago, even a deleted one, fails.
        return new_name("tempo", self._policy.study, job.key, job.log.stem)

    def _status(self, name: str, row: Row | None) -> JobStatus:
        folder = self.root / name
        withdrawn = (folder / "withdrawn").exists()
        return status_of(row, written_code(folder), withdrawn=withdrawn)

    def _look(self) -> None:
        """Update the status of every job by one query; end those that did not leave in time."""
        open_ = {key: job for key, job in self._jobs.items() if job.status.state.live}
        # A submission without an answer may have arrived.
        tried = {key: job for key, job in open_.items() if (self.root / job.name).is_dir()}
        if not tried:
            return
        rows = {row.name: row for row in self._ray.rows()}
        for job in tried.values():
            row = rows.get(job.name)
            job.sent = job.sent or row is not None
            if not job.sent:
                continue
            job.status = self._status(job.name, row)
            if row is not None and job.spec is not None and not job.status.state.live:
                _note(job.spec.log, row, job.status)
        late = time.monotonic() - self._policy.notice
        asked = [job for job in tried.values() if job.asked is not None and not job.stopped]
        self._stop(job for job in asked if job.status.state.live and (job.asked or late) <= late)

    def _advance(self) -> None:
        """Submit what need not wait for others; unanswered, the next look tries again."""
        ready = [
            (key, job)
            for key, job in self._jobs.items()
            if job.status.state.live and not job.sent and job.spec is not None
        ]
        if not ready:
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / "lock"), self._contact.asking():
            keys = [key for key, _ in ready]
            self._joined(keys)
            for key, job in ready:
                if self._jobs[key] is not job:
                    continue
                if job.spec is not None and not any(map(self._live, job.spec.after)):
                    self._send(job, job.spec)

    def _joined(self, keys: Sequence[str]) -> None:
        """Take over the jobs that another driver submitted meanwhile."""
        mine = {key: self._jobs[key].name for key in keys}
        for row in self._ray.rows():
            if row.run in mine and (self.root / row.name).is_dir():
                status = self._status(row.name, row)
                if row.name == mine[row.run]:
                    self._jobs[row.run].sent = True
                elif status.state.live:
                    self._jobs[row.run] = _Job(row.name, sent=True, status=status)

    def _send(self, job: _Job, spec: JobSpec) -> None:
        if job.sent:
            return
        request = job_request(spec, job.name, self.root, self._policy)
        write_json(self.root / job.name / "request.json", request)
        # Credentials, such as a ledger's, reach the job by its environment and no file of ours.
        self._ray.submit(with_values(request, spec.env))
        job.sent = True


def _note(log: Path, row: Row, status: JobStatus) -> None:
    """Write Ray's reason into the log of a job that ended without a code; Ray alone has it."""
    if status.code is None and row.message:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"Ray says of job {row.name}: {row.message.strip()}\n")
