"""Hold a key of the ledger: claim its lease, renew it, and check it before anything is written.

`tempo.ledger.lease_keeper` renews it beside the work, and ends the process before another one can
take over.
"""

from __future__ import annotations

import math
import os
import shlex
import threading
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

from tempo.core.errors import LeaseLostError, LedgerError
from tempo.ledger.port import Hold, Ledger, this_process

T = TypeVar("T")

VARIABLE = "TEMPO_LEASE_SECONDS"
DEFAULT_TTL = 15.0
DANGER = 0.5
"""Share of its time to live below which a lease is in danger: renewals are due at a sixth."""
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
        self.problem = ""
        """Why the last renewal failed; empty when it succeeded."""
        self._end = since + ttl
        self._saved = math.inf
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Seconds for which no other process can hold the key, by this host's clock."""
        return self._end - now()

    def renew(self) -> Hold | None:
        """Extend the lease by its time to live; None when another process took the key over.

        Raises:
            LedgerError: when the ledger does not answer; `problem` holds why.
        """
        with self._lock:
            begun = now()
            try:
                hold = self.ledger.renew(self.key, self.token, self.ttl)
            except (LedgerError, OSError, ValueError) as error:
                # Claim files are read without a database that would word what goes wrong.
                self.problem = str(error)
                raise LedgerError(self.problem) from error
            self.problem = ""
            if hold is not None:
                self._end = begun + self.ttl
            return hold

    def danger(self) -> str | None:
        """Return why work should be saved now; None while the lease is safe.

        It may be lost when the last renewal failed, or less than `DANGER` of its time to live is
        left. As long as that lasts the answer is given once each quarter of the time to live.
        """
        left = self.left
        if not self.problem and left >= DANGER * self.ttl:
            self._saved = math.inf
            return None
        if self._saved - left < self.ttl / 4:
            return None
        self._saved = left
        why = f" ({self.problem})" if self.problem else ""
        return f"the lease of {self.key} was not renewed{why} and has {max(left, 0):.1f} s left"

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
