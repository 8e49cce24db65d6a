"""Ask the ledger what other invocations carry out, and claim the runs of lost workers."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from tempo.ledger.port import Hold, Ledger, this_process

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

    def holds(self, keys: Collection[str]) -> Mapping[str, Hold]:
        """Return those of the keys that are held, also by a process that is silent, or asked to
        stop."""
        return {} if self._ledger is None else self._ledger.standing(keys)

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
