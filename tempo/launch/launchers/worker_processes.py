"""Start the process of a worker: a new interpreter, or a fork of a server that has torch loaded.

Both give the worker a process group of its own, its log as output, and its slot's environment.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from typing import Protocol

from tempo.core.errors import TempoError
from tempo.core.jobs import JobSpec
from tempo.launch.launchers.fork_entry import become, held_interrupts, start_fork
from tempo.launch.launchers.questions import Questioned, ask_fork, ask_new_process
from tempo.launch.worker_command import worker_arguments


class Child(Protocol):
    """A started process."""

    @property
    def pid(self) -> int: ...

    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""


Start = Callable[[JobSpec, Mapping[str, str]], Child]
"""Starts a job with some additional environment."""


class WorkerStart(Protocol):
    """Starts workers, in one of the two ways."""

    def warm(self) -> None:
        """Prepare what all workers share, beside whatever the caller does next."""

    def __call__(self, job: JobSpec, environment: Mapping[str, str]) -> Child:
        """Start the process of a worker."""

    def ask(self, arguments: Sequence[str], request: str) -> AbstractContextManager[Questioned]:
        """Start a worker that reads `request` and answers in lines, killed when the block ends."""


WORKER_START = "TEMPO_WORKER_START"
"""Environment variable: `fork` or `spawn`; what suits the system where it is not set."""

SERVER_GONE = 255
"""Exit code of a forked worker whose fork server died before it could report the exit."""


def make_start(entry: Callable[[Sequence[str]], int], preload: Sequence[str]) -> WorkerStart:
    """Return how workers start: forked from a server on Linux, as new interpreters elsewhere.

    macOS could fork, but its libraries may crash in a fork; Windows cannot.

    Raises:
        TempoError: TEMPO_WORKER_START asks for what is not known, or not here.
    """
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    suits = "fork" if forks and sys.platform == "linux" else "spawn"
    asked = os.environ.get(WORKER_START, "") or suits
    if asked == "spawn":
        return NewProcesses()
    if asked != "fork":
        raise TempoError(f"{WORKER_START} is {asked!r}, and workers start by fork or by spawn")
    if not forks:
        raise TempoError(f"{WORKER_START} is 'fork', which this system cannot; leave it at spawn")
    return ForkServer(entry, preload)


def limits_here(platform: str = sys.platform) -> str | None:
    """Return a sentence on what this system lacks, None on Linux, where everything works."""
    if platform == "linux":
        return None
    if platform == "darwin":
        return (
            "On macOS studies run on the CPU of this machine, and each run starts a Python of its "
            "own, which takes 2 to 3 s more than on Linux; several processes a run (torchrun), "
            "clusters and GPUs need Linux."
        )
    return (
        "On Windows single runs work as far as anybody tried, each in a Python of its own; a run "
        "that is stopped loses the steps since its last checkpoint, and several processes a run, "
        "clusters and GPUs need Linux: WSL 2 is one."
    )


class _Spawned:
    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid

    def code(self) -> int | None:
        return self._popen.poll()


def spawn(job: JobSpec, environment: Mapping[str, str]) -> Child:
    """Start a new interpreter: 2 to 3 seconds until torch is loaded, independent of all else."""
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("ab") as log:
        popen = subprocess.Popen(
            list(job.argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **job.env, **environment},
            start_new_session=True,
        )
    return _Spawned(popen)


class NewProcesses:
    """Starts each worker as a new interpreter, which shares nothing."""

    def warm(self) -> None:
        """Prepare nothing."""

    def __call__(self, job: JobSpec, environment: Mapping[str, str]) -> Child:
        """Start the process of a worker."""
        return spawn(job, environment)

    def ask(self, arguments: Sequence[str], request: str) -> AbstractContextManager[Questioned]:
        """Start a new interpreter that answers a request."""
        return ask_new_process(arguments, request)


class _Forked:
    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid = process.pid

    def code(self) -> int | None:
        return self._process.exitcode


class ForkServer:
    """Starts workers by forking a server that imported `preload` once.

    The server never computes, holds no thread and no CUDA state, so forking it is safe, and its
    loaded libraries are shared by all workers. A job's arguments are those of any other launcher;
    `entry` is the function that a fork calls with them, in place of a new interpreter.
    """

    def __init__(self, entry: Callable[[Sequence[str]], int], preload: Sequence[str]) -> None:
        # The entry travels by name, so that an import that fails is written to the worker's log.
        self._entry = f"{entry.__module__}:{entry.__qualname__}"
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tempo.launch.launchers.preload", *preload])

    def warm(self) -> None:
        """Start the server and its imports now, beside whatever the caller does next."""
        with held_interrupts():
            forkserver.ensure_running()

    def __call__(self, job: JobSpec, environment: Mapping[str, str]) -> Child:
        arguments = worker_arguments(job.argv, "a fork server runs worker commands only")
        job.log.parent.mkdir(parents=True, exist_ok=True)
        words = self._entry, arguments, str(job.log), {**job.env, **environment}
        process = start_fork(lambda: self._context.Process(target=become, args=words))
        return _Forked(process)

    def ask(self, arguments: Sequence[str], request: str) -> AbstractContextManager[Questioned]:
        """Fork a worker that answers a request in the folder and environment of this moment."""
        return ask_fork(self._context, self._entry, arguments, request)
