"""The ledger in SQL that SQLite (3.35 on) and PostgreSQL both understand.

Each operation is one statement, so that it is atomic by itself and no process holds a lock while
it computes. Parameters are written `:name`; `{now}` is the database's clock in Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

from tempo.ledger.port import MARGIN

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
"""A span that began after the step from which a later claim goes on published nothing."""

REACH = f"""UPDATE tempo_span SET last = :step WHERE key = :key AND token = :token
    AND EXISTS (SELECT 1 FROM tempo_lease WHERE {_NEWEST}) RETURNING token"""

STOP = """INSERT INTO tempo_lease
    (key, token, host, pid, started, space, held, ttl, expires, stop)
    VALUES (:key, 0, '', 0, 0, '', 0, 0, 0, 1)
    ON CONFLICT (key) DO UPDATE SET stop = 1 RETURNING token"""

ALLOW = "UPDATE tempo_lease SET stop = 0 WHERE key = :key AND stop = 1 RETURNING token"

SPANS = """SELECT key, host, pid, started, space, token, first, last FROM tempo_span
    WHERE key = :key ORDER BY token"""


def rows(names: Iterable[str]) -> str:
    """The statement that reads the rows of the keys that are the parameters `names`."""
    among = ", ".join(f":{name}" for name in names)
    return f"SELECT {_ROW} FROM tempo_lease WHERE key IN ({among})"
