"""Who may work on what: leases with fencing tokens, on the clock of one shared database.

A key is a run_id (or a search's ticket). Claiming a key gives a token, larger with every claim; a
claim succeeds when nobody holds the key or the holder's lease expired. A holder renews at a third
of the time to live and ends its process group before the lease expires when it cannot; so a holder
that is merely slow keeps its key, and one that was frozen finds its token outdated when it wakes:
`publish` fails for it, and nothing it writes counts any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process that claims keys. `started` tells it from a later process with the same pid."""

    host: str
    pid: int
    started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A row of the ledger. `left` is in seconds on the ledger's clock, negative once expired.

    `held`: somebody works on the key, or did until the lease expired. `asked_to_stop`: what holds
    the key is to checkpoint and leave, and nobody is to begin anew.
    """

    key: str
    owner: Owner
    token: int
    held: bool
    left: float
    asked_to_stop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The steps one claim of a run published: from `first` up to `last`, which None leaves open.

    `last` is settled by the end of the attempt, or by the step from which a later claim resumed.
    """

    key: str
    token: int
    owner: Owner
    first: int
    last: int | None


class Ledger(Protocol):
    """Safe to use from many processes, and from many hosts where the database is shared."""

    @property
    def url(self) -> str:
        """What opens the same ledger elsewhere."""

    def claim(self, key: str, owner: Owner, ttl: float) -> int | None:
        """Take `key` for `ttl` seconds: the token, or None when somebody else holds it."""

    def renew(self, key: str, token: int, ttl: float) -> bool:
        """Hold on for another `ttl` seconds; False when the token is outdated."""

    def publish(self, key: str, token: int) -> bool:
        """Whether the token is still the newest and the lease valid; then it cannot be taken over
        for another time to live, in which the result has to be written."""

    def release(self, key: str, token: int) -> None:
        """Give the key back; nothing happens with an outdated token."""

    def began(self, key: str, token: int, step: int) -> None:
        """Note the step a claim starts from; settles the spans of earlier claims there."""

    def reached(self, key: str, token: int, step: int) -> None:
        """Note the last step that a claim published."""

    def ask_to_stop(self, keys: Iterable[str], stop: bool = True) -> None:
        """Ask whatever holds the keys to leave, or take that back."""

    def holds(self, keys: Iterable[str]) -> Mapping[str, Hold]:
        """The rows of those keys that have one."""

    def spans(self, key: str) -> tuple[Span, ...]:
        """What each claim of a run published, in order."""

    def close(self) -> None: ...
