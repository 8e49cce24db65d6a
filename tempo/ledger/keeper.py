"""Holding on to a lease beside the work, and ending the process in time when that fails."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from tempo.core.errors import LedgerError
from tempo.core.jobs import BUSY
from tempo.ledger.lease import Lease

TICKS = 12
"""Looks at the clock in one time to live."""


def leave(reason: str) -> None:
    """End this process and its children at once, whatever they are doing."""
    print(reason, file=sys.stderr, flush=True)
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    os._exit(BUSY)


class Keeper:
    """Two threads that mostly sleep.

    One renews the lease at a third of its time to live. The other, which asks nobody and so cannot
    hang, ends the process before the lease does when renewing fails: on the second tick in a row
    that finds the end near. So a process that was frozen past the end, and finds itself there at
    once, is given one tick to ask the ledger whether anybody took the key over meanwhile.

    Args:
        asked: called once when the ledger asks for the key's holder to stop.
        leave: ends the process; must not return in earnest.
    """

    def __init__(
        self, lease: Lease, asked: Callable[[], object], leave: Callable[[str], None] = leave
    ) -> None:
        self._lease, self._asked, self._leave = lease, asked, leave
        self._over, self._wake = threading.Event(), threading.Event()
        self._problem = ""
        self._threads = [
            threading.Thread(target=work, name=f"tempo-lease-{work.__name__}", daemon=True)
            for work in (self._renew, self._watch)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """A renewal that hangs is not waited for."""
        self._over.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout=1.0)

    def _renew(self) -> None:
        calm, told = self._lease.ttl / 3, False
        pause = calm
        while True:
            self._wake.wait(pause)
            self._wake.clear()
            if self._over.is_set():
                return
            try:
                hold = self._lease.renew()
            except LedgerError as error:
                self._problem, pause = f" ({error})", self._lease.ttl / TICKS
                continue
            pause = calm
            if hold is None:
                self._end(f"{self._lease.key} was taken over by another worker; leaving")
            elif hold.asked_to_stop and not told:
                told = True
                self._asked()

    def _watch(self) -> None:
        tick, near = self._lease.ttl / TICKS, False
        while not self._over.wait(tick):
            if self._lease.left > 2 * tick:
                near = False
            elif near:
                key = self._lease.key
                self._end(f"the lease of {key} could not be renewed{self._problem}; leaving")
            else:
                near = True
                self._wake.set()

    def _end(self, reason: str) -> None:
        if not self._over.is_set():
            self._leave(reason)


@contextmanager
def keeping(lease: Lease, asked: Callable[[], object]) -> Iterator[None]:
    """Keep `lease` for the time of the block."""
    keeper = Keeper(lease, asked)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()
