"""Fork a process from a server, and begin it: in a session, with files and an environment of its
own, as a new interpreter has them."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from tempo.core.errors import TempoError

TRIES = 3
PAUSE = 0.2
"""Seconds until a server that was killed is known to be gone, at the least."""


def start_fork(make: Callable[[], BaseProcess]) -> BaseProcess:
    """Start the process that `make` returns; a server that is killed meanwhile is replaced.

    Raises:
        TempoError: the server was killed again and again.
    """
    for _ in range(TRIES):
        process = make()
        try:
            with without_main(), held_interrupts():
                process.start()
        except (EOFError, ConnectionError):
            time.sleep(PAUSE)
        else:
            return process
    raise TempoError(
        "the process that workers are forked from was ended again and again, by a person or by a "
        "system short of memory; the same command tries again, and TEMPO_WORKER_START=spawn does "
        "without it"
    )


@contextlib.contextmanager
def held_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back in the block, and in a server that is started there until it ignores it."""
    # Where it has to be started, it lets signals through afterwards.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def without_main() -> Iterator[None]:
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


def become(entry: str, arguments: Sequence[str], log: str, environment: Mapping[str, str]) -> None:
    """In the fork: what `spawn` asks of a new process, then the command itself."""
    with contextlib.ExitStack() as files:
        empty = os.open(os.devnull, os.O_RDONLY)
        files.callback(os.close, empty)
        output = _opened(log, files)
        _detach(empty, output, output)
    os.environ.update(environment)
    _call(entry, arguments)


def become_answerer(
    entry: str,
    arguments: Sequence[str],
    request: Connection[Any, Any],
    answers: Connection[Any, Any],
    errors: Connection[Any, Any],
    folder: str,
    environment: Mapping[str, str],
) -> None:
    """In the fork: read from one pipe, print into another, complain into a file, with the folder
    and the environment that the parent has by now; the server keeps those that it began with.

    multiprocessing hands open files over as connections alone."""
    with request, answers, errors:
        _detach(request.fileno(), answers.fileno(), errors.fileno())
    # The server's own are of the kind that it began with: a file knows positions, a pipe none.
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    _call(entry, arguments)


def _opened(log: str, files: contextlib.ExitStack) -> int:
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    files.callback(os.close, output)
    return output


def _detach(*streams: int) -> None:
    """Lead a session of its own, with these three as standard input, output and errors."""
    # Imported where the server already did, for its import changes the process.
    from tempo.launch.launchers.preload import INTERRUPT

    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGINT, INTERRUPT)
    os.setsid()
    for target, source in enumerate(streams):
        os.dup2(source, target)


def _call(entry: str, arguments: Sequence[str]) -> None:
    module, _, name = entry.partition(":")
    sys.exit(getattr(importlib.import_module(module), name)(arguments))
