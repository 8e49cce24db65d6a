"""The ledger over any SQL database, from statements that stand alone."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tempo.ledger import statements as sql
from tempo.ledger.owner import is_dead
from tempo.ledger.port import Hold, Owner, Span

Rows = Sequence[Sequence[Any]]

CHUNK = 500
"""Keys asked for in one statement."""


class SqlLedger(ABC):
    """One connection, used by one thread at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self._url

    @abstractmethod
    def _execute(self, statement: str, values: Mapping[str, object]) -> Rows:
        """Carry out one statement by itself; the rows it returns."""

    @abstractmethod
    def close(self) -> None: ...

    def _run(self, statement: str, **values: object) -> Rows:
        with self._lock:
            return self._execute(statement, values)

    def claim(self, key: str, owner: Owner, ttl: float, above: int = 0) -> int | None:
        taken = {"key": key, "ttl": float(ttl), "above": above, **asdict(owner)}
        found = self._run(sql.TAKEN, key=key)
        rows = self._succeed(_hold(found[0]), taken) if found else self._run(sql.CLAIM, **taken)
        return int(rows[0][0]) if rows else None

    def _succeed(self, hold: Hold, taken: Mapping[str, object]) -> Rows:
        """Take over at once from a holder that died on this host."""
        if hold.asked_to_stop or not is_dead(hold.owner):
            return []
        return self._run(sql.SUCCEED, seen=hold.token, **taken)

    def again(self, key: str, token: int) -> int | None:
        rows = self._run(sql.AGAIN, key=key, token=token)
        return int(rows[0][0]) if rows else None

    def renew(self, key: str, token: int, ttl: float) -> Hold | None:
        rows = self._run(sql.RENEW, key=key, token=token, ttl=float(ttl))
        return _hold(rows[0]) if rows else None

    def publish(self, key: str, token: int) -> bool:
        return bool(self._run(sql.PUBLISH, key=key, token=token))

    def release(self, key: str, token: int) -> None:
        self._run(sql.RELEASE, key=key, token=token)

    def began(self, key: str, token: int, step: int) -> None:
        if self._run(sql.BEGIN, key=key, token=token, step=step):
            self._run(sql.SETTLE, key=key, token=token, step=step)

    def reached(self, key: str, token: int, step: int) -> None:
        self._run(sql.REACH, key=key, token=token, step=step)

    def ask_to_stop(self, keys: Iterable[str], stop: bool = True) -> None:
        for key in keys:
            self._run(sql.STOP if stop else sql.ALLOW, key=key)

    def holds(self, keys: Iterable[str]) -> Mapping[str, Hold]:
        found: dict[str, Hold] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), CHUNK):
            values = {f"key{n}": key for n, key in enumerate(wanted[start : start + CHUNK])}
            rows = self._run(sql.rows(values), **values)
            found |= {str(row[0]): _hold(row) for row in rows}
        return found

    def spans(self, key: str) -> tuple[Span, ...]:
        return tuple(_span(row) for row in self._run(sql.SPANS, key=key))


def _owner(row: Sequence[Any]) -> Owner:
    """From the columns key, host, pid, started, space, ..."""
    return Owner(host=row[1], pid=int(row[2]), started=float(row[3]), space=row[4])


def _hold(row: Sequence[Any]) -> Hold:
    return Hold(
        key=row[0],
        owner=_owner(row),
        token=int(row[5]),
        held=bool(row[6]),
        left=float(row[7]),
        asked_to_stop=bool(row[8]),
    )


def _span(row: Sequence[Any]) -> Span:
    last = None if row[7] is None else int(row[7])
    return Span(key=row[0], owner=_owner(row), token=int(row[5]), first=int(row[6]), last=last)
