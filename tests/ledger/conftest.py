"""Every kind of ledger, and a way to let its time pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tempo.ledger.files import FilesLedger
from tempo.ledger.open import open_ledger
from tempo.ledger.port import Ledger, Owner, this_process
from tempo.ledger.sql import SqlLedger

from ..postgres import postgres

ME = this_process()
DEAD = Owner(host=ME.host, pid=ME.pid, started=ME.started - 1, space=ME.space)
"""A process of this host that had this one's pid."""
FAR = Owner(host="far", pid=ME.pid, started=1.0, space="elsewhere")
FARTHER = Owner(host="farther", pid=1, started=1.0, space="another")


@dataclass
class Opened:
    """A ledger of a kind; `expires` is False where leases hold for ever."""

    ledger: Ledger
    kind: str

    @property
    def expires(self) -> bool:
        return not isinstance(self.ledger, FilesLedger)

    def wait(self, seconds: float) -> None:
        """Let time pass, as the ledger sees it."""
        if isinstance(self.ledger, SqlLedger):
            shift = "UPDATE tempo_lease SET expires = expires - :seconds RETURNING key"
            self.ledger._run(shift, seconds=float(seconds))

    def clear(self) -> None:
        if isinstance(self.ledger, SqlLedger):
            for table in ("tempo_lease", "tempo_span"):
                self.ledger._run(f"DELETE FROM {table} RETURNING key")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres", "files"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    url = {"sqlite": f"sqlite:///{tmp_path / 'ledger.db'}", "files": "files"}.get(request.param)
    made = Opened(
        open_ledger(url or request.getfixturevalue("postgres_url"), tmp_path), request.param
    )
    made.clear()
    yield made
    made.ledger.close()
