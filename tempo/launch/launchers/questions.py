"""Ask a worker questions: it reads one request and answers in lines, in a new interpreter or in a
fork of a server that has torch loaded."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from tempo.launch.launchers.fork_entry import become_answerer, start_fork
from tempo.launch.launchers.process_groups import KILL, signal_group
from tempo.launch.worker_command import WORKER


@dataclass(frozen=True, slots=True)
class Questioned:
    """A worker that was asked something.

    Attributes:
        answers: the lines that it prints, until it ends.
        wait: waits for its end; returns the exit code, negative for a signal.
        complaints: what it wrote to stderr so far.
    """

    answers: IO[str]
    wait: Callable[[], int]
    complaints: Callable[[], str]


@contextmanager
def ask_new_process(arguments: Sequence[str], request: str) -> Iterator[Questioned]:
    """Start a new interpreter that answers a request; it is killed when the block ends."""
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        process = subprocess.Popen(
            [*WORKER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            _send(process.stdin, request)
            yield Questioned(process.stdout, process.wait, lambda: _whole(errors))
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@contextmanager
def ask_fork(
    context: ForkServerContext, entry: str, arguments: Sequence[str], request: str
) -> Iterator[Questioned]:
    """Fork a worker that answers a request; it is killed when the block ends."""
    with contextlib.ExitStack() as files:
        # Without a name, it is gone with the processes that hold it, however these end.
        errors = files.enter_context(tempfile.TemporaryFile("r+", errors="replace"))
        complained = connection.Connection(os.dup(errors.fileno()), readable=False)
        files.callback(complained.close)
        pipes: list[tuple[connection.Connection, connection.Connection]] = []

        def make() -> BaseProcess:
            # A fork of a server that died meanwhile shall not read along.
            pipes[:] = [_pipe(files), _pipe(files)]
            (read, _), (_, written) = pipes
            here = str(Path.cwd()), dict(os.environ)
            words = entry, list(arguments), read, written, complained, *here
            return context.Process(target=become_answerer, args=words)

        process = start_fork(make)
        (read, asked), (answered, written) = pipes
        # The other ends are the fork's alone, so that each side sees when the other one closes.
        read.close()
        written.close()

        def wait() -> int:
            process.join()
            assert process.exitcode is not None
            return process.exitcode

        try:
            with open(asked.fileno(), "w", closefd=False) as file:
                _send(file, request)
            asked.close()
            lines = files.enter_context(open(answered.fileno(), closefd=False))
            yield Questioned(lines, wait, lambda: _whole(errors))
        finally:
            if process.exitcode is None:
                assert process.pid is not None
                signal_group(process.pid, KILL)
            process.join()


def _pipe(files: contextlib.ExitStack) -> tuple[connection.Connection, connection.Connection]:
    """Open a pipe to read from and to write to, whose ends close with the block at the latest."""
    ends = connection.Pipe(duplex=False)
    for end in ends:
        files.callback(end.close)
    return ends


def _send(file: IO[str], request: str) -> None:
    """Write a request; a worker that ended before it was read is noticed by its exit code."""
    with contextlib.suppress(BrokenPipeError):
        file.write(request)
        file.flush()
    with contextlib.suppress(BrokenPipeError):
        file.close()


def _whole(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
