"""Carrying out a pool to its end, under the eyes and the Ctrl-C of whoever started it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from rich.console import Console

from tempo.cli.live import View, make_view
from tempo.launch.scheduling.pool import Pool

POLL_SECONDS = 0.1


def content() -> str | None:
    """A watch that never objects."""
    return None


def drive(
    pool: Pool,
    console: Console,
    *,
    detach: bool = False,
    watch: Callable[[], str | None] = content,
) -> None:
    """Step the pool to its end. Ctrl-C or SIGTERM once: checkpoint and leave; twice: now.

    With `detach`, once is enough to leave, and the runs go on without this process. `watch` says
    why everything has to stop, if it does.
    """
    with make_view(console) as view, asked_to_stop() as asked:
        told = 0
        while pool.busy:
            pool.step()
            view.update(pool)
            heed(watch, pool, view)
            if asked.count and detach:
                view.note("leaving: the jobs go on; the same command follows them again")
                return
            if asked.count > told:
                told = asked.count
                stop_pool(pool, view, told)
            time.sleep(POLL_SECONDS)
        pool.step()
        view.update(pool)


def heed(watch: Callable[[], str | None], pool: Pool, view: View) -> None:
    """Stop what goes on once `watch` says why."""
    if not pool.stopping and (objection := watch()):
        view.note(f"{objection}; stopping: the running runs write a checkpoint first")
        pool.stop()


def stop_pool(pool: Pool, view: View, times: int) -> None:
    """What a request to stop does, the first time and again."""
    if times == 1:
        view.note("stopping: the running runs write a checkpoint first; Ctrl-C again to leave now")
        pool.stop()
    else:
        pool.kill()


@dataclass(slots=True)
class Asked:
    """How often this process was asked to stop."""

    count: int = 0


@contextmanager
def asked_to_stop() -> Iterator[Asked]:
    """Counts SIGINT and SIGTERM instead of letting them end the process."""
    asked = Asked()

    def note(number: int, frame: FrameType | None) -> None:
        asked.count += 1

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
