"""Start the process of a worker: a new interpreter, or a fork of a server that has torch loaded.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from types import ModuleType
from typing import Protocol

from tempo.core.jobs import JobSpec
from tempo.launch.worker_command import worker_arguments


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
        forkserver.ensure_running()

    def __call__(self, job: JobSpec, environment: Mapping[str, str]) -> Child:
        arguments = worker_arguments(job.argv, "a fork server runs worker commands only")
        job.log.parent.mkdir(parents=True, exist_ok=True)
        process = self._context.Process(
            target=_become, args=(self._entry, arguments, str(job.log), {**job.env, **environment})
        )
        with _without_main():
            process.start()
        return _Forked(process)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hide the user's `__main__` module while a process starts.

    multiprocessing has each child import the main script again. A script or notebook that calls
    `study.run()` without a `__main__` guard would run its study anew in every worker.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _become(entry: str, arguments: Sequence[str], log: str, environment: Mapping[str, str]) -> None:
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
