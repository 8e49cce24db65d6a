"""Implement the ledger over an SQL database, one statement an operation; SQLite for one host."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tempo.core.errors import LedgerError
from tempo.ledger.port import MARGIN, Hold, Owner, Span, is_dead

Rows = Sequence[Sequence[Any]]

CHUNK = 500
"""Keys asked for in one statement."""


# Each operation is one statement, so that it is atomic by itself and no process holds a lock while
# it computes. The SQL is what SQLite (3.35 on) and PostgreSQL both understand. Parameters are
# written `:name`; `{now}` is the database's clock in Unix seconds.
TABLES = (
    """CREATE TABLE IF NOT EXISTS tempo_lease (
        key TEXT PRIMARY KEY,
        token INTEGER NOT NULL,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started DOUBLE PRECISION NOT NULL,
        space TEXT NOT NULL,
        held INTEGER NOT NULL,
        ttl DOUBLE PRECISION NOT NULL,
        expires DOUBLE PRECISION NOT NULL,
        stop INTEGER NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS tempo_span (
        key TEXT NOT NULL,
        token INTEGER NOT NULL,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        started DOUBLE PRECISION NOT NULL,
        space TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER,
        PRIMARY KEY (key, token)
    )""",
)

_TAKEN = """host = :host, pid = :pid, started = :started, space = :space, held = 1,
    ttl = :ttl, expires = {now} + :ttl"""
_TOKEN = "token = CASE WHEN lease.token > :above THEN lease.token ELSE :above END + 1"
_NEWEST = "key = :key AND token = :token AND held = 1"
_ROW = "key, host, pid, started, space, token, held, expires - {now}, stop"

CLAIM = f"""INSERT INTO tempo_lease AS lease
    (key, token, host, pid, started, space, held, ttl, expires, stop)
    VALUES (:key, :above + 1, :host, :pid, :started, :space, 1, :ttl, {{now}} + :ttl, 0)
    ON CONFLICT (key) DO UPDATE SET {_TOKEN}, {_TAKEN}
    WHERE lease.stop = 0
      AND (lease.held = 0 OR lease.expires + {MARGIN} * lease.ttl < {{now}})
    RETURNING token"""

TAKEN = f"""SELECT {_ROW} FROM tempo_lease AS lease WHERE key = :key
    AND NOT (lease.stop = 0
      AND (lease.held = 0 OR lease.expires + {MARGIN} * lease.ttl < {{now}}))"""
"""What a claim would run into: asked first, since a write that changes nothing costs a commit."""

SUCCEED = f"""UPDATE tempo_lease AS lease SET {_TOKEN}, {_TAKEN}
    WHERE key = :key AND token = :seen AND stop = 0 RETURNING token"""
"""Take over from the holder of the token `seen`, of whom the caller knows that it is dead."""

AGAIN = f"""UPDATE tempo_lease SET token = token + 1, expires = {{now}} + ttl
    WHERE {_NEWEST} RETURNING token"""

RENEW = f"""UPDATE tempo_lease SET ttl = :ttl, expires = {{now}} + :ttl
    WHERE {_NEWEST} RETURNING {_ROW}"""

PUBLISH = f"UPDATE tempo_lease SET expires = {{now}} + ttl WHERE {_NEWEST} RETURNING token"

RELEASE = f"UPDATE tempo_lease SET held = 0, expires = {{now}} WHERE {_NEWEST} RETURNING token"

BEGIN = f"""INSERT INTO tempo_span (key, token, host, pid, started, space, first)
    SELECT key, token, host, pid, started, space, :step FROM tempo_lease WHERE {_NEWEST}
    ON CONFLICT (key, token) DO UPDATE SET first = :step, last = NULL
    RETURNING token"""

SETTLE = """UPDATE tempo_span SET last = CASE WHEN first > :step THEN first ELSE :step END
    WHERE key = :key AND token < :token AND (last IS NULL OR last > :step) RETURNING token"""
"""A span published nothing if it began after the step from which a later claim resumes."""

REACH = f"""UPDATE tempo_span SET last = :step WHERE key = :key AND token = :token
    AND EXISTS (SELECT 1 FROM tempo_lease WHERE {_NEWEST}) RETURNING token"""

STOP = """INSERT INTO tempo_lease
    (key, token, host, pid, started, space, held, ttl, expires, stop)
    VALUES (:key, 0, '', 0, 0, '', 0, 0, 0, 1)
    ON CONFLICT (key) DO UPDATE SET stop = 1 RETURNING token"""

ALLOW = "UPDATE tempo_lease SET stop = 0 WHERE key = :key AND stop = 1 RETURNING token"

STANDING = f"SELECT {_ROW} FROM tempo_lease WHERE held = 1 OR stop = 1"

SPANS = """SELECT key, host, pid, started, space, token, first, last FROM tempo_span
    WHERE key = :key ORDER BY token"""


def select_rows(names: Iterable[str]) -> str:
    """Return the statement that reads the rows of the keys bound to the parameters `names`."""
    among = ", ".join(f":{name}" for name in names)
    return f"SELECT {_ROW} FROM tempo_lease WHERE key IN ({among})"


class SqlLedger(ABC):
    """One connection, used by one thread at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._pid = 0
        self._connection: Any = None

    @property
    def url(self) -> str:
        return self._url

    @abstractmethod
    def _execute(self, statement: str, values: Mapping[str, object]) -> Rows:
        """Execute one statement in its own transaction and return its rows."""

    @abstractmethod
    def _connect(self) -> Any:
        """Return a new connection to a database that has the tables."""

    def _open(self) -> Any:
        """Return this process's connection: one made before a fork must not be used."""
        if self._connection is None or self._pid != os.getpid():
            self._connection, self._pid = self._connect(), os.getpid()
        return self._connection

    def close(self) -> None:
        if self._connection is not None and self._pid == os.getpid():
            self._connection.close()
        self._connection = None

    def _run(self, statement: str, **values: object) -> Rows:
        with self._lock:
            return self._execute(statement, values)

    def claim(self, key: str, owner: Owner, ttl: float, above: int = 0) -> int | None:
        taken = {"key": key, "ttl": float(ttl), "above": above, **asdict(owner)}
        found = self._run(TAKEN, key=key)
        if not found:
            rows = self._run(CLAIM, **taken)
        else:
            hold = _hold(found[0])
            if hold.asked_to_stop or not is_dead(hold.owner):
                return None
            rows = self._run(SUCCEED, seen=hold.token, **taken)
        return int(rows[0][0]) if rows else None

    def again(self, key: str, token: int) -> int | None:
        rows = self._run(AGAIN, key=key, token=token)
        return int(rows[0][0]) if rows else None

    def renew(self, key: str, token: int, ttl: float) -> Hold | None:
        rows = self._run(RENEW, key=key, token=token, ttl=float(ttl))
        return _hold(rows[0]) if rows else None

    def publish(self, key: str, token: int) -> bool:
        return bool(self._run(PUBLISH, key=key, token=token))

    def release(self, key: str, token: int) -> None:
        self._run(RELEASE, key=key, token=token)

    def began(self, key: str, token: int, step: int) -> None:
        if self._run(BEGIN, key=key, token=token, step=step):
            self._run(SETTLE, key=key, token=token, step=step)

    def reached(self, key: str, token: int, step: int) -> None:
        self._run(REACH, key=key, token=token, step=step)

    def ask_to_stop(self, keys: Iterable[str], stop: bool = True) -> None:
        for key in keys:
            self._run(STOP if stop else ALLOW, key=key)

    def holds(self, keys: Iterable[str]) -> Mapping[str, Hold]:
        found: dict[str, Hold] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), CHUNK):
            values = {f"key{n}": key for n, key in enumerate(wanted[start : start + CHUNK])}
            rows = self._run(select_rows(values), **values)
            found |= {str(row[0]): _hold(row) for row in rows}
        return found

    def standing(self, keys: Collection[str]) -> Mapping[str, Hold]:
        # Few rows are held at a time: to ask for all of them is one statement, for any number of
        # keys.
        rows = self._run(STANDING)
        return {str(row[0]): _hold(row) for row in rows if row[0] in keys}

    def spans(self, key: str) -> tuple[Span, ...]:
        return tuple(_span(row) for row in self._run(SPANS, key=key))


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


PATIENCE = 30.0
"""Seconds to wait for other processes that write."""

NOW = "((julianday('now') - 2440587.5) * 86400.0)"
"""Unix seconds; unixepoch('subsec') needs SQLite 3.42."""


class SqliteLedger(SqlLedger):
    """Any number of processes of one host. SQLite's locks do not reach over a network."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"sqlite:///{path}")
        self.path = path

    def _execute(self, statement: str, values: Mapping[str, object]) -> Rows:
        try:
            text = statement.replace("{now}", NOW)
            return self._open().execute(text, dict(values)).fetchall()  # type: ignore[no-any-return]
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {self.path} cannot be used: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        if not self.path.is_file():
            self._create()
        connection = sqlite3.connect(
            self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        # A power cut may undo the last claims, but ends every process that made them, too.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _create(self) -> None:
        """Make the file under another name and link it into place whole: several processes that
        open a new database at once can break it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            connection = sqlite3.connect(draft)
            connection.execute("PRAGMA journal_mode = WAL")
            for table in TABLES:
                connection.execute(table)
            connection.close()
            with contextlib.suppress(FileExistsError):
                os.link(draft, self.path)
        finally:
            draft.unlink(missing_ok=True)
