"""Open the ledger at an address."""

from __future__ import annotations

import os
from pathlib import Path

from tempo.core.errors import LedgerError
from tempo.ledger.port import Ledger

VARIABLE = "TEMPO_LEDGER"


def open_ledger(url: str | None, root: Path) -> Ledger:
    """Open the ledger at `url`, or else at `$TEMPO_LEDGER`, or else the SQLite file in `root`.

    Nothing is created before it is first used.

    Args:
        url: `sqlite:///PATH` for one host, `postgresql://USER@HOST/DATABASE` for several, or
            `files` for claim files in `root`, without takeover.
        root: the folder of all records.

    Raises:
        LedgerError: for an address of another kind, or a driver that is not installed.
    """
    url = url or os.environ.get(VARIABLE) or f"sqlite:///{root.absolute() / 'ledger.db'}"
    if url.startswith("sqlite:///"):
        from tempo.ledger.sql import SqliteLedger

        return SqliteLedger(Path(url.removeprefix("sqlite:///")))
    if url.startswith(("postgresql://", "postgres://")):
        from tempo.ledger.postgres import PostgresLedger

        return PostgresLedger(url)
    if url == "files":
        from tempo.ledger.files import FilesLedger

        return FilesLedger(root / "claims")
    raise LedgerError(
        f"{url.partition('://')[0]!r} is no kind of ledger: use sqlite:///PATH (one host), "
        f"postgresql://USER@HOST/DATABASE (several hosts) or files (a shared file system)"
    )
