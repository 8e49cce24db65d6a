"""Assign trials to drivers by leases, so that each is done once and none is lost.

A ticket is a number below the budget's count. The driver that holds its lease may make, continue
or finish its trial. The lease of a driver that died runs out (on the same host, at once), and
another driver continues its trial from the checkpoint of its run. A driver that is merely slow
keeps its tickets: a thread renews them beside its work.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from tempo.core.errors import LeaseLostError, LedgerError
from tempo.ledger.lease import Lease, take
from tempo.ledger.port import Ledger

Ticket = int | str


class Tickets:
    """Holds the tickets of one driver of the search `name`; `ttl` is in seconds.

    A context manager: inside, leases are renewed in the background; at the end all are given back.
    """

    def __init__(self, ledger: Ledger, name: str, ttl: float) -> None:
        self._ledger, self._name, self._ttl = ledger, name, ttl
        self._leases: dict[Ticket, Lease] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="tempo-tickets", daemon=True)

    def __enter__(self) -> Tickets:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join(timeout=self._ttl)
        for ticket in list(self._leases):
            self.release(ticket)

    def claim(self, tickets: Iterable[Ticket]) -> Ticket | None:
        """Claim the first free ticket; return None when other drivers hold all of them."""
        for ticket in tickets:
            if ticket in self._leases:
                continue
            lease = take(self._ledger, f"search:{self._name}:{ticket}", ttl=self._ttl)
            if lease is not None:
                with self._lock:
                    self._leases[ticket] = lease
                return ticket
        return None

    def confirm(self, ticket: Ticket) -> bool:
        """Return whether this driver still has the ticket, after renewing its lease."""
        lease = self._leases.get(ticket)
        if lease is None:
            return False
        try:
            lease.publish()
        except LeaseLostError:
            self._drop(ticket)
            return False
        return True

    def release(self, ticket: Ticket) -> None:
        lease = self._drop(ticket)
        if lease is not None:
            lease.release()

    def _drop(self, ticket: Ticket) -> Lease | None:
        with self._lock:
            return self._leases.pop(ticket, None)

    def _renew(self) -> None:
        while not self._over.wait(self._ttl / 3):
            with self._lock:
                leases = dict(self._leases)
            for ticket, lease in leases.items():
                try:
                    if lease.renew() is None:
                        self._drop(ticket)
                except LedgerError:
                    # Out of reach for now: the next round tries again, and `confirm` asks before
                    # anything is written.
                    break
