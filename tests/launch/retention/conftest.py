"""A folder of records for each test of what keep policies let go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tempo.ledger.sql import SqliteLedger
from tests.kept_runs import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    (tmp_path / "records").mkdir()
    ledger = SqliteLedger(tmp_path / "records" / "ledger.db")
    yield Lab(tmp_path, ledger)
    ledger.close()
