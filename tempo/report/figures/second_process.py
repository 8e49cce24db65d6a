"""Share independent pieces of work between this process and a forked one, whatever ends that one.

`concurrent.futures` waits for ever when a process of its pool is killed while it holds a queue,
and leaves the processes of its pool behind when this process is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")

_BYTES = 2
"""Of a piece's number in the pipe; a pipe holds 30,000 of them before writing to it waits."""


def forks() -> bool:
    """Whether this system can fork cheaply and has a second core for it."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


def made_by_two(make: Callable[[str], Result], names: Sequence[str]) -> dict[str, Result]:
    """Return what `make` returns for each name, in the order of `names`.

    This process takes the first name, and then it and a forked one each take the next until none is
    left, so that nothing is made twice. For what the other one makes last, this one waits at most
    as long as it worked itself. Where that one is dead or frozen, this one makes all the rest, and
    it is here that an error of `make` is raised.
    """
    begun = time.monotonic()
    context = get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    left = _numbers(range(1, len(names)))
    other = context.Process(target=_make_and_send, args=(make, names, left, sending, receiving))
    other.start()
    sending.close()
    received: dict[str, Result] = {}
    reader = Thread(target=_receive, args=(receiving, received))
    reader.start()
    try:
        made = {name: make(name) for name in chain(names[:1], _taken(names, left))}
        reader.join(timeout=time.monotonic() - begun)
    finally:
        other.kill()
        other.join()
        reader.join()
        receiving.close()
        os.close(left)
    made |= received
    return {name: made[name] if name in made else make(name) for name in names}


def _numbers(numbers: Iterable[int]) -> int:
    """Return the end of a pipe from which the numbers are read, each once.

    Two processes that read from it never get the same one, and none holds a lock when it is killed.
    """
    reading, writing = os.pipe()
    os.write(writing, b"".join(number.to_bytes(_BYTES, "big") for number in numbers))
    os.close(writing)
    return reading


def _taken(names: Sequence[str], left: int) -> Iterator[str]:
    """Yield names whose numbers this process is first to read from a pipe, until it is empty."""
    while number := os.read(left, _BYTES):
        yield names[int.from_bytes(number, "big")]


def _make_and_send(
    make: Callable[[str], Result],
    names: Sequence[str],
    left: int,
    sending: Connection,
    receiving: Connection,
) -> None:
    # A signal from the keyboard is for the process that began this one, and ends this one with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # With the only reader gone, sending fails, and this process ends.
    receiving.close()
    try:
        for name in _taken(names, left):
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
