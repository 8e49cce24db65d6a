"""Runs in this very process, one after the other: for a debugger."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tempo.core.jobs import BUSY, RESUMABLE, JobSpec, JobState, JobStatus
from tempo.launch.launchers.worker_processes import TEMPO


def _nothing() -> None:
    return


class InlineLauncher:
    """Carries a job out within `submit`, so that breakpoints and stepping work.

    Args:
        entry: the command line's main function, called with a job's arguments.
        stopped: called when a job left on request, since the signal went to the job and not to
            whoever drives this.

    Output stays on the terminal, where a debugger needs it; `JobSpec.log` is not written. An
    exception that `entry` lets through is not caught here.
    """

    def __init__(
        self, entry: Callable[[Sequence[str]], int], stopped: Callable[[], None] = _nothing
    ) -> None:
        self._entry, self._stopped = entry, stopped
        self._jobs: dict[str, JobStatus] = {}

    @property
    def slots(self) -> int:
        return 1

    def submit(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        for job in jobs:
            if job.key not in self._jobs:
                self._jobs[job.key] = self._carry_out(job)
        return {job.key: str(os.getpid()) for job in jobs}

    def _carry_out(self, job: JobSpec) -> JobStatus:
        prefix, arguments = tuple(job.argv[: len(TEMPO)]), list(job.argv[len(TEMPO) :])
        if prefix != TEMPO:
            raise ValueError(f"only Tempo's own commands run in its process, not {job.argv}")
        with _environment(job.env):
            code = self._entry(arguments)
        if code == RESUMABLE:
            self._stopped()
        states = {0: JobState.OK, RESUMABLE: JobState.STOPPED, BUSY: JobState.BUSY}
        return JobStatus(state=states.get(code, JobState.FAILED), code=code, where="here")

    def poll(self) -> Mapping[str, JobStatus]:
        return dict(self._jobs)

    def attach(self, keys: Iterable[str]) -> Mapping[str, str]:
        """Nothing: a job is over when `submit` returns."""
        return {}

    def forget(self, key: str) -> None:
        del self._jobs[key]

    def cancel(self, keys: Iterable[str]) -> None:
        """Nothing: whoever could ask waits for the job, and Ctrl-C reaches it directly."""

    def kill(self, keys: Iterable[str]) -> None:
        """Nothing, as for `cancel`."""


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
