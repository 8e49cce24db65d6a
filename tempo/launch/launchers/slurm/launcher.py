"""Launch runs on a Slurm cluster: submit job arrays, follow them with squeue, cancel them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from tempo.core.jobs import JobSpec, JobState, JobStatus
from tempo.launch.launchers.cluster.contact import AwayError, Contact, new_name
from tempo.launch.launchers.slurm.commands import Row, Slurm, parts, status_of
from tempo.launch.launchers.slurm.script import MARK, SlurmPolicy, render, task_words
from tempo.records.files import write_atomic, write_json

SUBMISSIONS = 3
"""Tries to submit an array; each retry first checks the queue for the previous submission."""

HASTE = 30.0
"""Seconds between two requests to start one requeued job before its time."""


class Arrays:
    """The arrays whose folders lie in `root`: array.json (runs of its tasks), tasks, script.sh.

    A job carries its folder's name as its comment, by which any driver finds the runs of the jobs
    in the queue.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._keys: dict[str, tuple[str, ...]] = {}

    def new_folder(self, study: str) -> Path:
        """Return a folder name that no other array has; the folder is not created."""
        return self.root / new_name(study)

    def write(self, folder: Path, jobs: Sequence[JobSpec], script: str) -> Path:
        """Write the files of an array that is to be submitted; return the path of its script."""
        tasks = task_words(jobs, Path.cwd())
        value = {"keys": [job.key for job in jobs], "logs": [str(job.log) for job in jobs]}
        write_json(folder / "array.json", value)
        write_atomic(folder / "tasks", lambda file: file.write(tasks))
        path = folder / "script.sh"
        write_atomic(path, lambda file: file.write(script.encode("utf-8", "surrogateescape")))
        return path

    def known(self, rows: Sequence[Row]) -> list[tuple[str, Row]]:
        """Return the rows that are tasks of these arrays, each behind its run."""
        found = []
        for row in rows:
            keys = self._keys_of(row.comment)
            if row.index.isdigit() and int(row.index) < len(keys):
                found.append((keys[int(row.index)], row))
        return found

    def _keys_of(self, comment: str) -> tuple[str, ...]:
        """Return the runs of the array that a job's comment names; empty for foreign jobs."""
        name = comment.removeprefix(MARK)
        if name == comment or "/" in name:
            return ()
        if name not in self._keys:
            path = self.root / name / "array.json"
            # Another records folder's array: its name is remembered too, as one without runs.
            self._keys[name] = tuple(json.loads(path.read_text())["keys"]) if path.is_file() else ()
        return self._keys[name]


@dataclass(slots=True)
class _Task:
    """A run in the queue. `row` is None until squeue has listed it."""

    array: str
    index: int
    row: Row | None = None
    status: JobStatus = field(default_factory=lambda: JobStatus(state=JobState.PENDING))
    hastened: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.array}_{self.index}"


class SlurmLauncher:
    """A launcher of Slurm job arrays, which continue to run when their driver exits.

    Args:
        root: folder for what is submitted, on a file system that all nodes share.
        say: called with a message when Slurm stops answering, and when it answers again.

    A run whose job this or another driver has queued from this folder is not submitted again;
    should two drivers do so nevertheless, equal arrays wait for each other and the ledger lets one
    worker pass. What Slurm says of a job is never taken as the run's success. `JobSpec.avoid` is
    not heeded: Slurm takes bad nodes out of service itself, and has no wish that is not an order.
    """

    slots: int | None = None

    def __init__(
        self,
        root: Path,
        policy: SlurmPolicy,
        slurm: Slurm | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._arrays, self._policy = Arrays(root), policy
        self._contact = Contact("Slurm's controller", say)
        self._slurm = slurm or Slurm()
        self._tasks: dict[str, _Task] = {}
        self._next = 0.0
        self._largest: int | None = None

    def submit(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        self._arrays.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self._arrays.root / "lock"):
            self.attach([job.key for job in jobs if not self._live(job.key)])
            for some in self._grouped([job for job in jobs if not self._live(job.key)]):
                self._submit(some)
        return {job.key: self._tasks[job.key].name for job in jobs}

    def scripts(self, jobs: Sequence[JobSpec]) -> list[tuple[str, Sequence[JobSpec]]]:
        """Return the scripts that `submit` would submit, each with its jobs, without Slurm.

        An array that others wait for is called ARRAY0, ARRAY1 and so on, in order, where its number
        will stand.
        """
        self._largest = self._largest or len(jobs)
        found = []
        for number, some in enumerate(self._grouped(jobs)):
            folder = self._arrays.root / f"{self._policy.study}-{number}"
            found.append((self._script(folder, some), some))
            for index, job in enumerate(some):
                self._tasks[job.key] = _Task(f"ARRAY{number}", index)
        return found

    def poll(self) -> Mapping[str, JobStatus]:
        if self._tasks and time.monotonic() >= self._next:
            self._look()
            self._next = time.monotonic() + self._policy.poll
        return {key: task.status for key, task in self._tasks.items()}

    def attach(self, keys: Iterable[str]) -> Mapping[str, str]:
        wanted = set(keys)
        if not wanted or not self._arrays.root.is_dir():
            return {}
        found: dict[str, str] = {}
        for key, row in self._arrays.known(self._slurm.rows()):
            status = status_of(row)
            if key in wanted and status.state.live:
                self._tasks[key] = _Task(row.array, int(row.index), row, status)
                found[key] = row.task
        return found

    def forget(self, key: str) -> None:
        del self._tasks[key]

    def cancel(self, keys: Iterable[str]) -> None:
        names = self._names(keys)
        self._slurm.withdraw(names)
        self._slurm.signal(names, "USR1")
        self._next = 0.0

    def kill(self, keys: Iterable[str]) -> None:
        names = self._names(keys)
        self._slurm.withdraw(names)
        self._slurm.kill(names)
        self._next = 0.0

    def _names(self, keys: Iterable[str]) -> list[str]:
        return [self._tasks[key].name for key in keys if self._live(key)]

    def _live(self, key: str) -> bool:
        return key in self._tasks and self._tasks[key].status.state.live

    def _look(self) -> None:
        """Update the status of every task by one query of the queue and one of accounting."""
        with self._contact.asking():
            rows = {row.task: row for row in self._slurm.rows()}
            gone = {task.array for task in self._tasks.values() if task.name not in rows}
            if gone:
                ended = {row.task: row for row in self._slurm.remembered(sorted(gone))}
                rows = {**ended, **rows}
            for task in self._tasks.values():
                task.row = rows.get(task.name)
                task.status = status_of(task.row)
            self._hasten()

    def _hasten(self) -> None:
        """Ask Slurm to start requeued jobs early, which it would hold back for two minutes."""
        now = time.monotonic()
        for task in self._tasks.values():
            row = task.row
            waits = row is not None and row.reason == "BeginTime" and row.restarts > 0
            if row is not None and waits and now - task.hastened >= HASTE:
                task.hastened = now
                self._slurm.start_soon(row.task)

    def _grouped(self, jobs: Sequence[JobSpec]) -> list[Sequence[JobSpec]]:
        """Group jobs of equal resources, which wait for the same jobs, into arrays of the size that
        the cluster allows."""
        alike: dict[object, list[JobSpec]] = {}
        for job in jobs:
            asked = (job.resources, tuple(sorted(job.env.items())), job.after)
            alike.setdefault(asked, []).append(job)
        if alike and self._largest is None:
            self._largest = self._slurm.largest_array()
        most = self._largest or 1
        return [part for some in alike.values() for part in parts(some, most)]

    def _script(self, folder: Path, jobs: Sequence[JobSpec]) -> str:
        live = [task for task in self._tasks.values() if task.status.state.live]
        names = {task.array for task in live} if self._policy.throttle else set()
        # A job that has gone from the queue has ended, so there is nothing to wait for.
        names |= {self._tasks[key].name for key in jobs[0].after if self._live(key)}
        return render(folder.absolute(), jobs, self._policy, ":".join(sorted(names)) or None)

    def _submit(self, jobs: Sequence[JobSpec]) -> None:
        folder = self._arrays.new_folder(self._policy.study)
        path = self._arrays.write(folder, jobs, self._script(folder, jobs))
        # Credentials, such as a ledger's, reach the job by the environment and no file of ours.
        number = self._number(path, folder.name, jobs[0].env)
        for index, job in enumerate(jobs):
            self._tasks[job.key] = _Task(number, index)

    def _number(self, path: Path, name: str, environment: Mapping[str, str]) -> str:
        """Submit a script and return its array's number, also when Slurm's answer was lost."""
        for left in reversed(range(SUBMISSIONS)):
            try:
                return self._slurm.submit(path, environment)
            except AwayError:
                arrived = {row.array for row in self._slurm.rows() if row.comment.endswith(name)}
                if arrived:
                    return arrived.pop()
                if not left:
                    raise
        raise AssertionError("unreachable")
