"""Share independent pieces of work between this process and a forked one, whatever ends that one.

`concurrent.futures` waits for ever when a process of its pool is killed while it holds a queue,
and leaves the processes of its pool behind when this process is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


def forks() -> bool:
    """Whether this system can fork cheaply and has a second core for it."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


def made_by_two(make: Callable[[str], Result], names: Sequence[str]) -> dict[str, Result]:
    """Return what `make` returns for each name, in the order of `names`.

    A forked process begins at the end of the names, this one at their start, until everything is
    there. This one waits for nothing: where the other one is dead or frozen, it makes all the rest
    itself, and it is here that an error of `make` is raised.
    """
    context = get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    other = context.Process(target=_make_from_the_end, args=(make, names, sending, receiving))
    other.start()
    sending.close()
    received: dict[str, Result] = {}
    reader = Thread(target=_receive, args=(receiving, received))
    reader.start()
    made: dict[str, Result] = {}
    try:
        for name in names:
            made[name] = received[name] if name in received else make(name)
    finally:
        other.kill()
        other.join()
        reader.join()
        receiving.close()
    return made


def _make_from_the_end(
    make: Callable[[str], Result], names: Sequence[str], sending: Connection, receiving: Connection
) -> None:
    # A signal from the keyboard is for the process that began this one, and ends this one with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # With the only reader gone, sending fails, and this process ends.
    receiving.close()
    try:
        for name in reversed(names):
            sending.send((name, make(name)))
    except Exception:
        # Whatever it was, the first process meets it again and raises it. No clean-up of this
        # copy of the first process may run.
        os._exit(1)
    os._exit(0)


def _receive(receiving: Connection, received: dict[str, Result]) -> None:
    try:
        while True:
            name, piece = receiving.recv()
            received[name] = piece
    except (EOFError, OSError):
        return
