"""Drive a study or a search to its end: step, report progress, obey requests to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tempo.core.records import RunStatus
from tempo.launch.scheduling.pool import Pool
from tempo.launch.to_come import NOTHING, ToCome
from tempo.workflow.observer import Observer

POLL_SECONDS = 0.1

REPORT_SHARE = 0.02
"""Most of a core's time that showing the runs to the observer takes; what is shown of ten thousand
runs takes longer than a poll, and is shown less often."""


class Driver:
    """Steps the work of a pool, for studies and searches alike.

    Ctrl-C or SIGTERM once: workers write a checkpoint and leave; twice: they are ended now.

    Args:
        watch: says why everything has to stop, None while it may continue.
        ahead: says what may follow the runs in the pool.
        detach: one request is enough to leave, and the jobs continue without this process.
    """

    def __init__(
        self,
        pool: Pool,
        observer: Observer,
        *,
        watch: Callable[[], str | None],
        ahead: Callable[[], ToCome] = lambda: NOTHING,
        detach: bool = False,
    ) -> None:
        self._pool, self._observer = pool, observer
        self._watch, self._ahead, self._detach = watch, ahead, detach
        self._requests = self._obeyed = 0
        self._left = False
        self._next_report = 0.0
        self._waiting = False

    def run(self, step: Callable[[], object], busy: Callable[[], bool]) -> None:
        """Call `step` until `busy` says that nothing is left."""
        while busy():
            step()
            self._report_at_times()
            if not self._pool.stopping and (reason := self._watch()):
                self._observer.note(
                    f"{reason}; stopping: the running runs write a checkpoint first"
                )
                self._pool.stop()
            if self._requests and self._detach:
                self._observer.note("leaving: the jobs go on; the same command follows them again")
                self._left = True
                return
            self._obey()
            time.sleep(POLL_SECONDS)

    def request_stop(self) -> None:
        """Note that this process was asked to stop, once more."""
        self._requests += 1

    def finish(self) -> None:
        """Take in what ended last, unless the jobs continue without this process."""
        if not self._left:
            self._pool.step()
            self._pool.reconsider_failures()
            self.report()

    def _report_at_times(self) -> None:
        """Report, unless the last time was so long that it would take more than its share."""
        begun = time.monotonic()
        if begun >= self._next_report:
            self.report()
            ended = time.monotonic()
            self._next_report = ended + (ended - begun) / REPORT_SHARE - POLL_SECONDS

    def report(self) -> None:
        """Show the observer the present state of all runs."""
        pool, ahead = self._pool, self._ahead()
        self._observer.to_come(ahead.runs, ahead.stage)
        self._tell_what_has_the_slots(pool.waits_for)
        self._observer.runs_changed(list(pool.views.values()), pool.width, stopping=pool.stopping)

    def _tell_what_has_the_slots(self, held: str) -> None:
        """Say once why no run begins: others of this machine have the slots."""
        idle = bool(held) and not any(
            v.status is RunStatus.RUNNING for v in self._pool.views.values()
        )
        if idle and not self._waiting:
            self._observer.note(f"waiting for a slot of this machine: {held}")
        self._waiting = idle

    def _obey(self) -> None:
        """Carry out what was asked since the last time."""
        if self._requests <= self._obeyed:
            return
        self._obeyed = self._requests
        if self._obeyed > 1:
            self._pool.kill()
            return
        self._observer.note(
            "stopping: the running runs write a checkpoint first; Ctrl-C again to leave now"
        )
        self._pool.stop()


@contextmanager
def driving(
    pool: Pool,
    observer: Observer,
    *,
    watch: Callable[[], str | None],
    ahead: Callable[[], ToCome] = lambda: NOTHING,
    detach: bool = False,
) -> Iterator[Driver]:
    """A driver of the pool, while which signals are requests to stop."""
    driver = Driver(pool, observer, watch=watch, ahead=ahead, detach=detach)
    with _stop_signals(driver.request_stop):
        try:
            yield driver
            driver.finish()
        finally:
            observer.runs_over()


@contextmanager
def _stop_signals(asked: Callable[[], None]) -> Iterator[None]:
    """Call `asked` at SIGINT and SIGTERM instead of letting them end the process.

    Signals reach the main thread alone; a study that runs in another thread is stopped by
    `Study.stop` or `tempo stop`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        asked()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
