"""The seam between a study and whatever executes its runs.

Every backend executes the same argument vector; the truth about a run is its records, and what a
backend says of a job is a hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

RESUMABLE = 85
"""Exit code of a worker that stopped on request and can be resumed from its checkpoint."""

BUSY = 75
"""Exit code of a worker that found its run locked by another worker (EX_TEMPFAIL)."""


class JobState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One execution to carry out. `key` is the run_id; `log` receives stdout and stderr."""

    key: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """`code` is the exit code, negative for a signal; None while it runs."""

    state: JobState
    code: int | None = None


class Launcher(Protocol):
    """Carries out jobs. `slots` is how many run side by side."""

    @property
    def slots(self) -> int: ...

    def submit(self, job: JobSpec) -> None:
        """Start `job`; a key that is already running is left alone."""

    def poll(self) -> Mapping[str, JobStatus]:
        """The state of every job submitted and not yet forgotten."""

    def forget(self, key: str) -> None:
        """Drop a job that ended."""

    def stop(self, keys: Iterable[str]) -> None:
        """Ask jobs to checkpoint and leave."""

    def kill(self, keys: Iterable[str]) -> None:
        """End jobs at once."""
