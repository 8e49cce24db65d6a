"""Define the launcher protocol: jobs, their resources and their states.

Every backend executes the same argument vector; the truth about a run is its records and the
ledger, and what a backend says of a job is a hint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

# Exit codes are the protocol between a worker and whatever started it (the pool, torchrun's ranks,
# a Slurm batch script): every other code but 0 is a failure.
RESUMABLE = 85
"""Exit code of a worker that stopped on request and can be resumed from its checkpoint."""

NOTHING_BEGUN = "; nothing was begun"
"""Ends the last line, the reason, that a worker prints when it leaves with RESUMABLE before it
began and would again, as when a budget is used up."""

BUSY = 75
"""Exit code of a worker that found its run held by another worker (EX_TEMPFAIL)."""


HIGHEST_PRIORITY = 1_000
"""Priorities of runs and invocations lie between this and its negative."""


class JobState(StrEnum):
    """What a backend knows of a job.

    `stopped`: it left on request and can be resumed. `busy`: another worker holds the run.
    `cancelled`: it was withdrawn before it began. `lost`: it died without saying why, or its node
    did. `unknown`: the backend has no memory of it, which never counts as success.
    """

    PENDING = "pending"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    STOPPED = "stopped"
    BUSY = "busy"
    CANCELLED = "cancelled"
    LOST = "lost"
    UNKNOWN = "unknown"

    @property
    def live(self) -> bool:
        """Whether the job may still do something."""
        return self in {JobState.PENDING, JobState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one execution needs.

    `processes` are started on each of `nodes`, one for each GPU where there are GPUs. `cpus` and
    `mem_mb` are per node, `time_s` for the whole job; None leaves it to the backend.
    """

    nodes: int = 1
    processes: int = 1
    gpus_per_node: int = 0
    cpus: int = 1
    mem_mb: int | None = None
    time_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One execution to carry out. `key` is the run_id; `log` receives stdout and stderr.

    `grace_s` is how long a job that was asked to leave may take to write its checkpoint. `avoid`
    holds places, as `JobStatus.where` names them, to be used only where there is no other. `after`
    holds keys of submitted jobs that have to end before this one begins, however they end; only a
    backend with a queue of its own is given any.
    """

    key: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = Resources()
    grace_s: float = 60.0
    avoid: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """`code` is the exit code, negative for a signal; None while it runs or when unknown.

    `where` is the host or slot that executes the job, as far as the backend knows it.
    """

    state: JobState
    code: int | None = None
    where: str = ""


@runtime_checkable
class SharingLauncher(Protocol):
    """What a launcher has besides that shares its slots with other invocations."""

    @property
    def holders(self) -> Sequence[str]:
        """What others have of the slots that a job waits for, in words."""

    def reserve(self, priority: int, avoid: Collection[str] = ()) -> bool:
        """Reserve a slot for the job that is submitted next; False where the job has to wait."""

    def withdraw(self) -> None:
        """Wait for a slot no more."""

    def asked_back(self) -> Mapping[str, str]:
        """The keys of the jobs whose slots a higher priority waits for, and for whom."""

    def close(self) -> None:
        """Give all slots back to the other invocations."""


class Launcher(Protocol):
    """Carries out jobs; a key names at most one live job."""

    @property
    def slots(self) -> int | None:
        """How many jobs run side by side; None where the backend has a queue of its own."""

    def submit(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        """Start or queue jobs; the backend's id by key. A key with a live job keeps that job."""

    def poll(self) -> Mapping[str, JobStatus]:
        """The state of every job submitted or attached and not yet forgotten."""

    def attach(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Take over the live jobs that an earlier driver submitted; the ids of those found."""

    def forget(self, key: str) -> None:
        """Drop a job that ended."""

    def cancel(self, keys: Iterable[str]) -> None:
        """Ask jobs to checkpoint and leave; withdraw those that have not begun."""

    def kill(self, keys: Iterable[str]) -> None:
        """End jobs at once."""
