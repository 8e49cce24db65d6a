"""When a keep policy is applied while a study runs, and what the study says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tempo.ledger.sql import SqliteLedger
from tempo.workflow.disk import keeping
from tempo.workflow.disk.keeping import Keeper
from tests.kept_runs import KIB, Lab

BEST = {"checkpoints": "best", "galleries": "1 seed"}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "records").mkdir()
    ledger = SqliteLedger(tmp_path / "records" / "ledger.db")
    yield Lab(tmp_path, ledger)
    ledger.close()


def _checkpoints(folder: Path) -> int:
    return len(list((folder / "checkpoints").iterdir()))


def test_files_go_when_a_run_ends_while_others_go_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, said = lab.plan(keep=BEST), []
    keeper = Keeper(plan, lab.store, lab.reports, said.append)
    done, running = lab.train("a", 0), lab.train("b", 0, end=None)
    keeper.step(plan, ended=False)
    assert _checkpoints(done) == 3
    keeper.step(plan, ended=True)
    assert (_checkpoints(done), _checkpoints(running)) == (1, 3) and not said
    # The next one waits for a while, and is not forgotten.
    later = lab.train("a", 1)
    keeper.step(plan, ended=True)
    assert _checkpoints(later) == 3
    monkeypatch.setattr(keeper, "_next", 0.0)
    keeper.step(plan, ended=False)
    assert (_checkpoints(later), (later / "gallery").exists()) == (1, False)
    keeper.finish(plan)
    size = f"{4 + 2} KiB".replace(" ", ".0 ")
    assert said == [
        f"Removed 4 checkpoints and the pictures of 1 run ({size}) by the keep policy "
        "(checkpoints: best, galleries: 1 seed)."
    ]
    assert KIB == 1024 and keeping.PAUSE >= 1


def test_without_a_policy_nothing_is_looked_at(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, said = lab.plan(), []
    lab.train("a", 0)

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(keeping, "apply_keep", never)
    keeper = Keeper(plan, lab.store, lab.reports, said.append)
    keeper.step(plan, ended=True)
    keeper.finish(plan)
    assert said == []


def test_what_cannot_be_removed_is_said_and_ends_no_study(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, said = lab.plan(keep=BEST), []
    folder = lab.train("a", 0)

    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempo.records.disk.removals.write_json", refuses)
    keeper = Keeper(plan, lab.store, lab.reports, said.append)
    keeper.finish(plan)
    assert len(said) == 1 and "stays: " in said[0] and "Permission denied" in said[0]
    assert _checkpoints(folder) == 3
