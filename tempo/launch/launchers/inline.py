"""Carry out runs in this very process, one after the other, for a debugger."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tempo.core.jobs import RESUMABLE, JobSpec, JobStatus
from tempo.launch.worker_command import exit_state, worker_arguments


class InlineLauncher:
    """Carries a job out within `submit`, so that breakpoints and stepping work.

    Args:
        entry: the worker's main function, called with a job's arguments.
        stopped: called when a job left on request, since the signal reached the job and not the
            driver of the pool.

    Output stays on the terminal, where a debugger needs it; `JobSpec.log` is not written. An
    exception that `entry` lets through is not caught here.
    """

    slots = 1

    def __init__(
        self, entry: Callable[[Sequence[str]], int], stopped: Callable[[], None] = lambda: None
    ) -> None:
        self._entry, self._stopped = entry, stopped
        self._jobs: dict[str, JobStatus] = {}

    def submit(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        for job in jobs:
            if job.key not in self._jobs:
                self._jobs[job.key] = self._carry_out(job)
        return {job.key: str(os.getpid()) for job in jobs}

    def _carry_out(self, job: JobSpec) -> JobStatus:
        arguments = worker_arguments(job.argv, "only worker commands run in this process")
        with _environment(job.env):
            code = self._entry(arguments)
        if code == RESUMABLE:
            self._stopped()
        return JobStatus(state=exit_state(code), code=code, where="here")

    def poll(self) -> Mapping[str, JobStatus]:
        return dict(self._jobs)

    def attach(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Return nothing: a job is over when `submit` returns."""
        return {}

    def forget(self, key: str) -> None:
        del self._jobs[key]

    def cancel(self, keys: Iterable[str]) -> None:
        """Do nothing: the caller waits for the job, and Ctrl-C reaches the job directly."""

    def kill(self, keys: Iterable[str]) -> None:
        """Do nothing, as `cancel`."""


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
