"""What a pool of many runs looks at: a step in which nothing happens looks at no run."""

from pathlib import Path

import pytest

from tempo.core.jobs import JobState
from tempo.core.records import RunStatus
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import RunView, run_requests
from tempo.ledger.port import this_process
from tempo.ledger.sql import SqliteLedger
from tempo.records.layout import Store
from tests.launch.test_pool import FakeLauncher, finish, make_plan

RUNS = 300


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that were asked whether they ended."""
    found: list[str] = []
    ended = RunView.ended.fget
    assert ended is not None

    def counted(view: RunView) -> bool:
        found.append(view.key)
        return ended(view)

    monkeypatch.setattr(RunView, "ended", property(counted))
    return found


def opened(root: Path, runs: int) -> tuple[Pool, FakeLauncher]:
    launcher = FakeLauncher(slots=2)
    ledger = SqliteLedger(root / "ledger.db")
    store = Store(root / "records")
    pool = Pool(store, launcher, ledger, command=lambda spec: ["run", spec.run_id])
    pool.add(run_requests(make_plan(runs)))
    return pool, launcher


def test_what_is_looked_at_grows_with_the_runs_and_not_faster(
    tmp_path: Path, looks: list[str]
) -> None:
    opened(tmp_path / "few", RUNS // 3)
    few = len(looks)
    looks.clear()
    opened(tmp_path / "many", RUNS)
    assert len(looks) == 3 * few


def test_an_idle_step_looks_at_no_run(tmp_path: Path, looks: list[str]) -> None:
    pool, launcher = opened(tmp_path, RUNS)
    pool.step()
    assert launcher.started == ["r0", "r1"]
    looks.clear()
    assert pool.step() == ()
    assert pool.busy
    assert looks == []


def test_an_end_looks_at_few_runs_and_begins_the_next(tmp_path: Path, looks: list[str]) -> None:
    pool, launcher = opened(tmp_path, RUNS)
    pool.step()
    finish(pool.store, "r0", "complete")
    launcher.end("r0", JobState.OK, 0)
    looks.clear()
    assert [view.key for view in pool.step()] == ["r0"]
    assert launcher.started == ["r0", "r1", "r2"]
    assert len(looks) < 20


def test_a_run_that_another_driver_begins_is_seen_among_many(tmp_path: Path) -> None:
    pool, launcher = opened(tmp_path, RUNS)
    other = SqliteLedger(tmp_path / "ledger.db")
    token = other.claim("r2", this_process(), ttl=60)
    assert token is not None
    pool.step()
    assert pool.views["r2"].elsewhere == this_process()
    finish(pool.store, "r0", "complete")
    launcher.end("r0", JobState.OK, 0)
    pool.step()
    assert launcher.started == ["r0", "r1", "r3"]
    finish(pool.store, "r2", "complete")
    other.release("r2", token)
    pool._elsewhere._next = 0.0
    assert [view.key for view in pool.step()] == ["r2"]
    assert pool.views["r2"].status is RunStatus.COMPLETE


def test_a_run_that_is_added_again_is_begun_in_its_turn(tmp_path: Path) -> None:
    pool, launcher = opened(tmp_path, 4)
    pool.stop(["r2"])
    assert [view.key for view in pool.step()] == ["r2"]
    pool.add(run_requests(make_plan(4)))
    for key in ("r0", "r1", "r3", "r2"):
        finish(pool.store, key, "complete")
        launcher.end(key, JobState.OK, 0)
        pool.step()
        pool.step()
    assert launcher.started == ["r0", "r1", "r3", "r2"]
    assert not pool.busy
