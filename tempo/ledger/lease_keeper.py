"""Renew a lease beside the work it is for, and end the process before another can take over."""

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
from tempo.ledger.lease import Lease, now

TICKS = 12
"""Checks of the clock during one time to live."""

PAUSE = 2
"""Ticks between two renewals. While the process or the ledger is slow: one."""

NICENESS = -10
"""Scheduling priority of the threads, which compute nothing, where the system allows it."""

LEAVING = "; leaving"
"""How the last line of a worker ends that lost its lease."""


def leave(reason: str) -> None:
    """End this process and its children at once, whatever they are doing."""
    print(reason, file=sys.stderr, flush=True)
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    os._exit(BUSY)


class LeaseKeeper:
    """Renews a lease in the background, and ends the process when that fails.

    One thread renews at a sixth of the time to live, and twice as often for a while once it was
    late or the ledger was. The other, which makes no request and cannot hang, ends the process
    before the lease does when renewing fails: on the second tick in a row that finds the end near.
    So a process that was frozen past the end, and finds itself there at once, is given one tick to
    ask the ledger whether another process took the key over meanwhile.

    Args:
        asked: called once when the ledger asks for the key's holder to stop.
        last_words: called with the reason before the process is ended because the lease could not
            be renewed. It may hang: it is given one tick.
        leave: ends the process; must not return outside tests.
    """

    def __init__(
        self,
        lease: Lease,
        asked: Callable[[], object],
        last_words: Callable[[str], object] = lambda reason: None,
        leave: Callable[[str], None] = leave,
    ) -> None:
        self._lease, self._asked = lease, asked
        self._last_words, self._leave = last_words, leave
        self._over, self._wake = threading.Event(), threading.Event()
        self._request: float | None = None
        self._threads = [
            threading.Thread(target=work, name=f"tempo-lease-{work.__name__}", daemon=True)
            for work in (self._renew, self._watch)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads, without waiting for a renewal that hangs."""
        self._over.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout=1.0)

    def _renew(self) -> None:
        raise_priority()
        tick = self._lease.ttl / TICKS
        hurried, told = 0, False
        while True:
            pause = tick if hurried or self._lease.problem else PAUSE * tick
            begun = now()
            self._wake.wait(pause)
            self._wake.clear()
            if self._over.is_set():
                return
            self._request = now()
            try:
                hold = self._lease.renew()
            except LedgerError:
                continue
            finally:
                self._request = None
            # Whoever was late once, because others take the processor or the disk, will be again.
            late = now() - begun > pause + tick
            hurried = TICKS if late else max(hurried - 1, 0)
            if hold is None:
                self._end(f"{self._lease.key} was taken over by another worker")
            elif hold.asked_to_stop and not told:
                told = True
                self._asked()

    def _watch(self) -> None:
        raise_priority()
        tick, near = self._lease.ttl / TICKS, False
        seen, stood_still = now(), 0.0
        while not self._over.wait(tick):
            gap, seen = now() - seen, now()
            if self._lease.left > 2 * tick:
                near, stood_still = False, 0.0
                continue
            stood_still = max(stood_still, gap)
            if near:
                key, why = self._lease.key, self._why(stood_still)
                reason = f"the lease of {key} could not be renewed{why}"
                if not self._over.is_set():
                    self._tell(reason, tick)
                self._end(reason)
            else:
                near = True
                self._wake.set()

    def _why(self, stood_still: float) -> str:
        """Return, in brackets, what kept the lease from being renewed, as far as that is known."""
        if self._lease.problem:
            return f" ({self._lease.problem})"
        if stood_still > PAUSE * self._lease.ttl / TICKS:
            return f" (this process stood still for {stood_still:.0f} s)"
        request = self._request
        if request is not None:
            return f" (the ledger has not answered for {now() - request:.0f} s)"
        return ""

    def _tell(self, reason: str, seconds: float) -> None:
        """Let the last words be said by a thread of their own, since a disk may hang."""
        teller = threading.Thread(target=self._last_words, args=(reason,), daemon=True)
        teller.start()
        teller.join(timeout=seconds)

    def _end(self, reason: str) -> None:
        if not self._over.is_set():
            self._leave(f"{reason}{LEAVING}")


def raise_priority() -> None:
    """Let the calling thread run before those that compute, where the system allows that.

    Only Linux gives threads a priority of their own, and only to those who may raise one.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


@contextmanager
def kept_renewed(
    lease: Lease,
    asked: Callable[[], object],
    last_words: Callable[[str], object] = lambda reason: None,
) -> Iterator[None]:
    """Renew `lease` in the background for the time of the block; see `LeaseKeeper`."""
    keeper = LeaseKeeper(lease, asked, last_words)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()
