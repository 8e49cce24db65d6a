"""Implement the ledger of several hosts with two tables in a PostgreSQL database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tempo.core.errors import LedgerError
from tempo.ledger import sql
from tempo.ledger.sql import Rows, SqlLedger

if TYPE_CHECKING:
    from psycopg import Connection

NOW = "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"

ONCE = {sql.CLAIM, sql.SUCCEED, sql.AGAIN}
"""Statements that must not be repeated when their answer was lost."""

CREATION = 7_308_327_466
"""The advisory lock under which the tables are made: CREATE IF NOT EXISTS races with itself."""

REACH = {
    "connect_timeout": 5,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "application_name": "tempo",
}
"""A server that does not answer is noticed well before a lease expires; an address that says
otherwise wins."""


class PostgresLedger(SqlLedger):
    """Any number of hosts. Passwords belong into ~/.pgpass or PGPASSWORD; one in the address is
    never shown."""

    def __init__(self, address: str) -> None:
        self._settings = _settings(address)
        super().__init__(_shown(self._settings))

    def _execute(self, statement: str, values: Mapping[str, object]) -> Rows:
        from psycopg import Error

        try:
            if statement in ONCE:
                self._ask("SELECT 1 AS alive", {})
            else:
                return self._ask(statement, values)
            return self._once(statement, values)
        except Error as error:
            self.close()
            raise LedgerError(f"the ledger {self.url} cannot be used: {error}") from error

    def _ask(self, statement: str, values: Mapping[str, object]) -> Rows:
        """Execute a statement; try again on a new connection when the old one is broken."""
        from psycopg import OperationalError

        try:
            return self._once(statement, values)
        except OperationalError:
            self.close()
            return self._once(statement, values)

    def _once(self, statement: str, values: Mapping[str, object]) -> Rows:
        text = re.sub(r":(\w+)", r"%(\1)s", statement).replace("{now}", NOW).encode()
        connection: Connection[Any] = self._open()
        if statement != sql.RENEW:
            return connection.execute(text, dict(values)).fetchall()
        # A renewal that a crash of the server undoes only ends the lease sooner.
        with connection.pipeline(), connection.transaction():
            connection.execute("SET LOCAL synchronous_commit = off")
            return connection.execute(text, dict(values)).fetchall()

    def _connect(self) -> Connection[Any]:
        from psycopg import connect

        connection = connect(**self._settings, autocommit=True, prepare_threshold=None)
        found = connection.execute("SELECT to_regclass('tempo_span')").fetchone()
        if found is None or found[0] is None:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (CREATION,))
                for table in sql.TABLES:
                    connection.execute(table.encode())
        return connection


def _settings(address: str) -> dict[str, Any]:
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise LedgerError(
            "a ledger in PostgreSQL needs psycopg: pip install 'tempo-vfi[postgres]'"
        ) from error
    try:
        return {**REACH, **conninfo_to_dict(address)}
    except ProgrammingError:
        # Its message may repeat a part of the password.
        raise LedgerError(
            "the ledger's address cannot be read: write postgresql://USER@HOST:PORT/DATABASE, with "
            "special characters percent-encoded, and the password in ~/.pgpass or PGPASSWORD"
        ) from None


def _shown(settings: Mapping[str, Any]) -> str:
    """Return the address without a password or other options."""
    user = f"{quote(settings['user'])}@" if "user" in settings else ""
    port = f":{settings['port']}" if "port" in settings else ""
    host = quote(str(settings.get("host", "")), safe="")
    return f"postgresql://{user}{host}{port}/{quote(str(settings.get('dbname', '')))}"
