"""What the ledger says of runs that this process does not carry out itself."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping

import psutil

from tempo.ledger.port import Hold, Ledger, Owner

LOOK_SECONDS = 1.0
"""Seconds between two looks into the ledger."""

BURIAL_SECONDS = 30.0
"""How long a run is held to record the end of a worker that could not."""


def this_owner() -> Owner:
    """This process, among all that ever ran on this host."""
    return Owner(host=socket.gethostname(), pid=os.getpid(), started=psutil.Process().create_time())


def is_dead(owner: Owner) -> bool:
    """Whether an owner is known to be gone; of another host nothing is known."""
    if owner.host != socket.gethostname():
        return False
    try:
        process = psutil.Process(owner.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return bool(abs(process.create_time() - owner.started) > 1.0)
    except psutil.NoSuchProcess:
        return True


class Elsewhere:
    """The ledger as a pool needs it; without a ledger nobody else is known of."""

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time for another look."""
        if self._ledger is None or time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + LOOK_SECONDS
        return True

    def look(self, keys: Iterable[str]) -> Mapping[str, Hold]:
        """Who holds which of the keys, or asks for them to stop.

        A lease whose holder died on this host is given back, so that nobody waits for its end.
        """
        if self._ledger is None:
            return {}
        holds = self._ledger.holds(keys)
        for hold in holds.values():
            if hold.held and is_dead(hold.owner):
                self._ledger.release(hold.key, hold.token)
        return {key: hold for key, hold in holds.items() if hold.asked_to_stop or _alive(hold)}

    def allow(self, keys: Iterable[str]) -> None:
        """Take back earlier requests to stop."""
        if self._ledger is not None:
            self._ledger.ask_to_stop(keys, stop=False)

    def hold(self, key: str) -> int | None:
        """Hold a run to write into its records; None when somebody else carries it out."""
        if self._ledger is None:
            return 0
        self.look([key])
        return self._ledger.claim(key, this_owner(), BURIAL_SECONDS)

    def give_back(self, key: str, token: int) -> None:
        if self._ledger is not None:
            self._ledger.release(key, token)


def _alive(hold: Hold) -> bool:
    return hold.held and hold.left > 0 and not is_dead(hold.owner)
