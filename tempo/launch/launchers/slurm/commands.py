"""Run Slurm's commands with time-outs and retries, and translate its job states."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tempo.core.errors import MissingError, TempoError
from tempo.core.jobs import JobState, JobStatus
from tempo.launch.launchers.cluster.contact import AwayError
from tempo.launch.worker_command import exit_state, shell_code

T = TypeVar("T")

PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol")
TRIES = 3
PAUSE = 2.0
"""Seconds before the first repetition; doubled for each further one."""

REVOKED = 3
"""Seconds after which a node accepts the next credential of a job that it ended."""

MANY = 400
"""Jobs named in one command, so that it stays below the system's limit of its length."""

_AWAY = re.compile(
    r"unable to contact slurm controller|connection refused|timed out|zero bytes were transmitted"
    r"|transport endpoint|temporarily (?:unable|unavailable)|communication connection failure",
    re.IGNORECASE,
)
_ENDED = re.compile(
    r"invalid job id|already (?:complet|finished)|no longer pending|^$", re.IGNORECASE
)
"""What scancel and scontrol print for jobs that have ended or started meanwhile."""

_NO_CLUSTER = re.compile(r"establish a configuration source|fetch_config", re.IGNORECASE)

FIELDS = (
    "ArrayJobID",
    "ArrayTaskID",
    "State",
    "exit_code",
    "Reason",
    "RestartCnt",
    "NodeList",
    "Comment",
)
"""Columns of squeue, in the order of `Row`."""


@dataclass(frozen=True, slots=True)
class Row:
    """A task of an array as squeue or sacct shows it. `code`: as of wait(2), 256 times the exit
    code, or the signal.

    The number that Slurm gives a task as a job is of no use: that of the array's last task is also
    the array's, and what is asked of it is done to all tasks.
    """

    array: str
    index: str
    state: str
    code: int
    reason: str
    restarts: int
    nodes: str
    comment: str

    @property
    def task(self) -> str:
        return f"{self.array}_{self.index}"


class Slurm:
    """The cluster that this machine's Slurm commands talk to.

    Args:
        patience: seconds that one command may take.

    Every method raises AwayError when the controller does not answer, and MissingError where
    Slurm is not installed or knows no cluster.
    """

    def __init__(self, patience: float = 30.0, pause: float = PAUSE) -> None:
        self._patience, self._pause = patience, pause
        self._accounting = shutil.which("sacct") is not None

    def check(self) -> None:
        """Raise a MissingError when Slurm's commands are not here."""
        lacking = [name for name in PROGRAMS if shutil.which(name) is None]
        if lacking:
            raise MissingError(
                f"--launcher slurm needs Slurm's {', '.join(lacking)} on the path: start this on "
                "a login node of the cluster, or choose --launcher local"
            )

    def submit(self, script: Path, environment: Mapping[str, str]) -> str:
        """Submit a script once (an unanswered try may have succeeded); return its array's number.

        Jobs inherit this process's environment and `environment`.
        """
        argv = ("sbatch", "--parsable", "--export=ALL", str(script))
        answer = self._run(*argv, tries=1, environment=environment)
        return answer.strip().partition(";")[0]

    def rows(self) -> list[Row]:
        """List the user's jobs that the controller still remembers, a row for each task."""
        columns = ":|,".join(FIELDS)
        argv = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}"]
        text = self._run(*argv, f"--Format={columns}:.400")
        return [_row(line) for line in text.splitlines() if line.count("|") >= len(FIELDS) - 1]

    def remembered(self, arrays: Sequence[str]) -> list[Row]:
        """List the tasks of these arrays from Slurm's accounting; empty on a cluster without."""
        rows: list[Row] = []
        argv = ["sacct", "--noheader", "--parsable2", "--allocations", "--array"]
        argv.append("--format=JobID,State,ExitCode,NodeList")
        for some in parts(arrays, MANY) if self._accounting else ():
            try:
                text = self._run(*argv, f"--jobs={','.join(some)}", tries=1)
            except TempoError:
                # A cluster without accounting: the records say what became of its jobs.
                self._accounting = False
                break
            rows += [row for line in text.splitlines() if (row := _accounted(line))]
        return rows

    def signal(self, tasks: Sequence[str], name: str) -> None:
        """Send a signal to the batch scripts of those tasks that are running."""
        self._cancel(tasks, "--batch", f"--signal={name}", "--state=RUNNING")

    def withdraw(self, tasks: Sequence[str]) -> None:
        """Remove those tasks that are pending from the queue."""
        self._cancel(tasks, "--state=PENDING")

    def kill(self, tasks: Sequence[str]) -> None:
        """Kill those tasks that are running, with all their steps."""
        self._cancel(tasks, "--full", "--signal=KILL", "--state=RUNNING")

    def start_soon(self, task: str) -> None:
        """Let a requeued task start before the two minutes that Slurm makes it wait.

        Not at once: a node that just ended the job takes a credential of the same second for a
        revoked one, and Slurm then gives the job up as failed.
        """
        start = f"StartTime=now+{REVOKED}"
        self._run("scontrol", "update", f"JobId={task}", start, harmless=_ENDED)

    def largest_array(self) -> int:
        """Return the most tasks that one array may have on this cluster."""
        found = re.search(r"MaxArraySize\s*=\s*(\d+)", self._run("scontrol", "show", "config"))
        return int(found[1]) if found else 1001

    def _cancel(self, tasks: Sequence[str], *how: str) -> None:
        for some in parts(tasks, MANY):
            self._run("scancel", "--quiet", *how, *some, harmless=_ENDED)

    def _run(
        self,
        *argv: str,
        tries: int = TRIES,
        harmless: re.Pattern[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        for attempt in range(tries):
            if attempt:
                time.sleep(self._pause * 2 ** (attempt - 1))
            try:
                done = subprocess.run(
                    argv,
                    check=False,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    errors="surrogateescape",
                    timeout=self._patience,
                    env={**os.environ, **(environment or {})},
                )
            except subprocess.TimeoutExpired:
                problem = f"no answer within {self._patience:g} s"
                continue
            except FileNotFoundError:
                self.check()
                raise
            problem = done.stderr.strip()
            if done.returncode == 0 or (harmless and harmless.search(problem)):
                return done.stdout
            if _NO_CLUSTER.search(problem):
                raise MissingError(f"{argv[0]} knows no Slurm cluster on this machine: {problem}")
            if not _AWAY.search(problem):
                raise TempoError(f"{argv[0]} failed: {problem or f'exit code {done.returncode}'}")
        raise AwayError(f"Slurm's controller does not answer {argv[0]} ({problem})")


def parts(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _row(line: str) -> Row:
    fields = [field.strip() for field in line.split("|", len(FIELDS) - 1)]
    array, index, state, code, reason, restarts, nodes, comment = fields
    status, times = (int(text) if text.isdigit() else 0 for text in (code, restarts))
    nodes = "" if nodes in {"N/A", "(null)"} else nodes
    return Row(array, index, state, status, reason, times, nodes, comment)


def _accounted(line: str) -> Row | None:
    """Parse a line of sacct; None when it is not a task of an array."""
    fields = line.split("|")
    array, underscore, index = fields[0].partition("_")
    if len(fields) != 4 or not underscore or not index.isdigit():
        return None
    exit_code, _, signal = fields[2].partition(":")
    code = int(signal) if signal.strip("0") else int(exit_code or 0) << 8
    nodes = "" if fields[3] == "None assigned" else fields[3]
    # "CANCELLED by 1000" says who did it.
    return Row(array, index, fields[1].split()[0], code, "", 0, nodes, "")


WAITING = {
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
}
GOING_ON = {"RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"}
DEAD = {"BOOT_FAIL", "DEADLINE", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"}


def status_of(row: Row | None) -> JobStatus:
    """Translate Slurm's state of a job; `unknown` for one that Slurm does not remember."""
    if row is None:
        return JobStatus(state=JobState.UNKNOWN)
    if row.state in WAITING:
        return JobStatus(state=JobState.PENDING)
    if row.state in GOING_ON:
        return JobStatus(state=JobState.RUNNING, where=row.nodes)
    state, code = _ended(row)
    return JobStatus(state=state, code=code, where=row.nodes)


def _ended(row: Row) -> tuple[JobState, int | None]:
    code = exit_code(row.code)
    if row.state == "CANCELLED":
        # Only a job that began has nodes; whether it left in order is for its records to say.
        return (JobState.LOST if row.nodes else JobState.CANCELLED), None
    if row.state in DEAD:
        return JobState.LOST, code or None
    if row.state in {"COMPLETED", "FAILED"}:
        return exit_state(code), code
    return JobState.UNKNOWN, None


def exit_code(status: int) -> int:
    """Return the exit code in a wait status; negative for a signal, also as a shell reports it."""
    return -(status & 0x7F) if status & 0x7F else shell_code(status >> 8)
