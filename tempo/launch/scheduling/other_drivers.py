"""What the ledger says of runs that this process does not carry out itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from tempo.ledger.owner import goes_on, this_process
from tempo.ledger.port import Hold, Ledger

LOOK_SECONDS = 1.0
"""Seconds between two looks into the ledger."""

BURIAL_SECONDS = 30.0
"""How long a run is held to record the end of a worker that could not."""


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
        """Who holds which of the keys, or asks for them to stop; a dead holder holds nothing."""
        if self._ledger is None:
            return {}
        holds = self._ledger.holds(keys)
        return {key: hold for key, hold in holds.items() if hold.asked_to_stop or goes_on(hold)}

    def allow(self, keys: Iterable[str]) -> None:
        """Take back earlier requests to stop."""
        if self._ledger is not None:
            self._ledger.ask_to_stop(keys, stop=False)

    def hold(self, key: str) -> int | None:
        """Hold a run to write into its records; None when somebody else carries it out."""
        if self._ledger is None:
            return 0
        return self._ledger.claim(key, this_process(), BURIAL_SECONDS)

    def give_back(self, key: str, token: int) -> None:
        if self._ledger is not None:
            self._ledger.release(key, token)

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
