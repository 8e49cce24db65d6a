"""Ask the ledger what other invocations carry out, and claim the runs of lost workers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from tempo.ledger.port import Hold, Ledger, is_active, this_process

LOOK_SECONDS = 1.0
"""Seconds between two queries of the ledger."""

CLAIM_SECONDS = 30.0
"""How long the pool claims a run to record the end of its lost worker."""


class OtherDrivers:
    """The ledger as a pool needs it. Without a ledger there is no other driver."""

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self._next = 0.0

    def due(self) -> bool:
        if self._ledger is None or time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + LOOK_SECONDS
        return True

    def holds(self, keys: Iterable[str]) -> Mapping[str, Hold]:
        """Return the keys that a live process holds or that were asked to stop."""
        if self._ledger is None:
            return {}
        holds = self._ledger.holds(keys)
        return {key: hold for key, hold in holds.items() if hold.asked_to_stop or is_active(hold)}

    def allow(self, keys: Iterable[str]) -> None:
        if self._ledger is not None:
            self._ledger.ask_to_stop(keys, stop=False)

    def claim(self, key: str) -> int | None:
        """Claim a run to write into its record; None when another process holds it."""
        if self._ledger is None:
            return 0
        return self._ledger.claim(key, this_process(), CLAIM_SECONDS)

    def release(self, key: str, token: int) -> None:
        if self._ledger is not None:
            self._ledger.release(key, token)

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
