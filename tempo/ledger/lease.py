"""Hold a key of the ledger: claim and renew its lease, and exit before another can take over."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

import psutil

from tempo.core.errors import LeaseLostError, LedgerError
from tempo.core.jobs import BUSY
from tempo.ledger.port import Hold, Ledger, this_process

T = TypeVar("T")

VARIABLE = "TEMPO_LEASE_SECONDS"
DEFAULT_TTL = 15.0
RETRY = 0.1
"""Seconds between two tries to claim a key that somebody is about to give back."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Advances while the machine sleeps, and cannot be set (macOS: so does its CLOCK_MONOTONIC)."""


def now() -> float:
    return time.clock_gettime(_CLOCK)


def default_ttl() -> float:
    """Return the time to live of a lease: `$TEMPO_LEASE_SECONDS`, or 15.

    Raises:
        LedgerError: when it is no number of at least 1.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text) if text else DEFAULT_TTL
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds < float("inf"):
        raise LedgerError(f"{VARIABLE} must be a number of seconds from 1 on, not {text!r}")
    return seconds


class Lease:
    """A key that this process holds; safe to use from several threads. `ttl` is in seconds.

    The end is reckoned from before the ledger was asked, so it never lies after the ledger's own.
    """

    def __init__(self, ledger: Ledger, key: str, token: int, ttl: float, since: float) -> None:
        self.ledger, self.key, self.token, self.ttl = ledger, key, token, ttl
        self._end = since + ttl
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Seconds for which no other process can hold the key, by this host's clock."""
        return self._end - now()

    def renew(self) -> Hold | None:
        """Extend the lease by its time to live; None when another process took the key over."""
        with self._lock:
            begun = now()
            hold = self.ledger.renew(self.key, self.token, self.ttl)
            if hold is not None:
                self._end = begun + self.ttl
            return hold

    def check(self) -> None:
        """Call before anything is written. A process that was frozen past the lease's end asks the
        ledger first whether it still holds the key.

        Raises:
            LeaseLostError: when it does not.
            LedgerError: when the ledger cannot be reached.
        """
        if self.left <= 0 and self.renew() is None:
            self._lost()

    def publish(self) -> None:
        """Check that this holder's result counts, and reserve the time to live to write it.

        Raises:
            LeaseLostError, LedgerError: as `check`.
        """
        begun = now()
        if not self._insist(lambda: self.ledger.publish(self.key, self.token)):
            self._lost()
        self._end = max(self._end, begun + self.ttl)

    def again(self) -> None:
        """Continue under a new token, larger than any before.

        Raises:
            LeaseLostError, LedgerError: as `check`.
        """
        with self._lock:
            begun = now()
            token = self.ledger.again(self.key, self.token)
            if token is None:
                self._lost()
            self.token, self._end = token, begun + self.ttl

    def began(self, step: int) -> None:
        self._insist(lambda: self.ledger.began(self.key, self.token, step))

    def reached(self, step: int) -> None:
        self._insist(lambda: self.ledger.reached(self.key, self.token, step))

    def _insist(self, ask: Callable[[], T]) -> T:
        """Retry a query until the ledger answers, while the lease lasts."""
        while True:
            try:
                return ask()
            except LedgerError:
                if self.left <= 1.0:
                    raise
            time.sleep(min(1.0, self.ttl / 10))

    def release(self) -> None:
        self.ledger.release(self.key, self.token)

    def _lost(self) -> NoReturn:
        hold = self.ledger.holds([self.key]).get(self.key)
        by = f", held by {hold.owner} now" if hold is not None and hold.held else ""
        raise LeaseLostError(f"{self.key} was taken over from claim {self.token}{by}")


def take(
    ledger: Ledger, key: str, *, ttl: float | None = None, above: int = 0, patience: float = 0.0
) -> Lease | None:
    """Claim a key, waiting up to `patience` seconds for its holder to release it; None if held.

    Raises:
        LedgerError: when the ledger cannot be reached.
    """
    ttl = default_ttl() if ttl is None else ttl
    owner, give_up = this_process(), now() + patience
    while True:
        begun = now()
        token = ledger.claim(key, owner, ttl, above)
        if token is not None:
            return Lease(ledger, key, token, ttl, begun)
        if begun >= give_up:
            return None
        time.sleep(RETRY)


def refusal(hold: Hold | None, run: str, claims: str = "claims") -> str:
    """Say why a key could not be claimed, and what to do about it; `claims` holds claim files."""
    if hold is None or not (hold.held or hold.asked_to_stop):
        return f"{run} was just given back; try again"
    if not hold.held:
        return f"{run} was asked to stop; the command of its study begins it again"
    if hold.left == float("inf"):
        return (
            f"{run} is held by {hold.owner}. Claim files never expire: if that process is gone, "
            f"free the run with: rm -r {shlex.quote(f'{claims}/{run}')}"
        )
    return (
        f"{run} is held by {hold.owner}; unless that goes on it can be taken over "
        f"in {max(hold.left, 0):.0f} s"
    )


TICKS = 12
"""Checks of the clock during one time to live."""


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

    One thread renews at a third of the time to live. The other, which makes no request and cannot
    hang, ends the process before the lease does when renewing fails: on the second tick in a row
    that finds the end near. So a process that was frozen past the end, and finds itself there at
    once, is given one tick to ask the ledger whether another process took the key over meanwhile.

    Args:
        asked: called once when the ledger asks for the key's holder to stop.
        leave: ends the process; must not return outside tests.
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
        """End both threads, without waiting for a renewal that hangs."""
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
def kept_renewed(lease: Lease, asked: Callable[[], object]) -> Iterator[None]:
    """Renew `lease` in the background for the time of the block."""
    keeper = LeaseKeeper(lease, asked)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()
