"""Implement the ledger of one host with an SQLite file beside the records."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from tempo.core.errors import LedgerError
from tempo.ledger import sql
from tempo.ledger.sql import Rows, SqlLedger

PATIENCE = 30.0
"""Seconds to wait for other processes that write."""

NOW = "((julianday('now') - 2440587.5) * 86400.0)"
"""Unix seconds; unixepoch('subsec') needs SQLite 3.42."""


class SqliteLedger(SqlLedger):
    """Any number of processes of one host. SQLite's locks do not reach over a network."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"sqlite:///{path}")
        self.path = path
        self._pid = 0
        self._connection: sqlite3.Connection | None = None

    def _execute(self, statement: str, values: Mapping[str, object]) -> Rows:
        try:
            return self._open().execute(statement.replace("{now}", NOW), dict(values)).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {self.path} cannot be used: {error}") from error

    def _open(self) -> sqlite3.Connection:
        """Return this process's connection: one made before a fork must not be used."""
        if self._connection is None or self._pid != os.getpid():
            if not self.path.is_file():
                self._create()
            self._connection, self._pid = self._connect(), os.getpid()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
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
            for table in sql.TABLES:
                connection.execute(table)
            connection.close()
            with contextlib.suppress(FileExistsError):
                os.link(draft, self.path)
        finally:
            draft.unlink(missing_ok=True)

    def close(self) -> None:
        if self._connection is not None and self._pid == os.getpid():
            self._connection.close()
        self._connection = None
