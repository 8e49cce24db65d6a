"""Two ways to start a worker's process: afresh, or forked from a server that has torch loaded.

Both give the worker a process group of its own, its log as output, and its slot's environment.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from typing import Protocol

from tempo.core.jobs import JobSpec

TEMPO = (sys.executable, "-m", "tempo.cli.main")
"""What every backend puts before a worker's arguments."""


class Child(Protocol):
    """A started process."""

    @property
    def pid(self) -> int: ...

    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""


Start = Callable[[JobSpec, Mapping[str, str]], Child]
"""Starts a job with some additional environment."""


class _Spawned:
    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid

    def code(self) -> int | None:
        return self._popen.poll()


def spawn(job: JobSpec, environment: Mapping[str, str]) -> Child:
    """A fresh process: 2 to 3 seconds until torch is loaded, independent of everything else."""
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
    `entry` is the command line's main function, which a fork calls in place of a new interpreter.
    """

    def __init__(self, entry: Callable[[Sequence[str]], int], preload: Sequence[str]) -> None:
        # A name, so that what fails in importing it fails in the worker's own log.
        self._entry = f"{entry.__module__}:{entry.__qualname__}"
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tempo.launch.launchers.preload", *preload])

    def warm(self) -> None:
        """Start the server and its imports now, beside whatever the caller does next."""
        forkserver.ensure_running()

    def __call__(self, job: JobSpec, environment: Mapping[str, str]) -> Child:
        prefix, arguments = tuple(job.argv[: len(TEMPO)]), list(job.argv[len(TEMPO) :])
        if prefix != TEMPO:
            raise ValueError(f"a fork server runs Tempo's own commands only, not {job.argv}")
        job.log.parent.mkdir(parents=True, exist_ok=True)
        process = self._context.Process(
            target=_become,
            args=(self._entry, arguments, str(job.log), {**job.env, **environment}),
        )
        process.start()
        return _Forked(process)


def _become(
    entry: str,
    arguments: Sequence[str],
    log: str,
    environment: Mapping[str, str],
) -> None:
    """In the fork: what `spawn` asks of a new process, then the command itself."""
    gc.freeze()
    gc.enable()
    os.setsid()
    with contextlib.ExitStack() as files:
        empty = os.open(os.devnull, os.O_RDONLY)
        files.callback(os.close, empty)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        files.callback(os.close, output)
        for source, target in ((empty, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
    os.environ.update(environment)
    module, _, name = entry.partition(":")
    sys.exit(getattr(importlib.import_module(module), name)(arguments))
