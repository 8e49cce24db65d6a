"""The pool's decisions, with a launcher whose jobs end as the test says."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from tempo.core.jobs import JobSpec, JobState, JobStatus
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunStatus
from tempo.launch import pool as pooling
from tempo.launch.cost import works_of
from tempo.launch.estimate import study_seconds_left
from tempo.launch.policy import RETRIES
from tempo.launch.pool import Pool
from tempo.records.events import AttemptStarted, Finished, Trained
from tempo.records.layout import Store
from tempo.records.log import EventLog
from tempo.records.run import read_run


class FakeLauncher:
    """Jobs run until `end` is called."""

    def __init__(self, slots: int = 2) -> None:
        self.slots = slots
        self.jobs: dict[str, JobStatus] = {}
        self.started: list[str] = []
        self.asked: list[str] = []

    def submit(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        for job in jobs:
            self.jobs[job.key] = JobStatus(state=JobState.RUNNING)
            self.started.append(job.key)
        return {job.key: job.key for job in jobs}

    def attach(self, keys: Iterable[str]) -> Mapping[str, str]:
        return {}

    def poll(self) -> Mapping[str, JobStatus]:
        return dict(self.jobs)

    def forget(self, key: str) -> None:
        del self.jobs[key]

    def cancel(self, keys: Iterable[str]) -> None:
        self.asked += keys

    def kill(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.end(key, JobState.LOST, -9)

    def end(self, key: str, state: JobState, code: int) -> None:
        self.jobs[key] = JobStatus(state=state, code=code)


REFERENCE = {"method": "average"}


def make_plan(runs: int) -> Plan:
    return Plan(
        study="s",
        question="",
        profile=None,
        source="s.yaml",
        spec={},
        spec_hash="",
        baseline=None,
        variants=(PlannedVariant(name="v", role="variant", levels={}, config=REFERENCE),),
        runs=tuple(PlannedRun(run_id=f"r{n}", variant="v", seed=n) for n in range(runs)),
    )


def make(store: Store, launcher: FakeLauncher, runs: int = 3, *, fail_fast: bool = False) -> Pool:
    pool = Pool(
        store, launcher, command=lambda folder: ["worker", str(folder)], fail_fast=fail_fast
    )
    pool.add(works_of(make_plan(runs)))
    return pool


def step(pool: Pool) -> bool:
    """One step; whether something is left to do."""
    pool.step()
    return pool.busy


def finish(store: Store, run_id: str, status: str, attempt: int = 1, step: int = 10) -> None:
    with EventLog(store.run_dir(run_id), attempt) as log:
        log.append(AttemptStarted(resumed_step=0, total_steps=10))
        log.append(Trained(step=step, clips=1, epoch=0.1, values={}))
        log.append(
            Finished(status=status, step=step, seconds=5.0, train_seconds=4.0, peak_memory=0)
        )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_slots_are_filled_in_plan_order_and_refilled(store: Store) -> None:
    launcher = FakeLauncher(slots=2)
    pool = make(store, launcher)
    assert step(pool)
    assert launcher.started == ["r0", "r1"]
    finish(store, "r0", "complete")
    launcher.end("r0", JobState.OK, 0)
    assert step(pool)
    assert launcher.started == ["r0", "r1", "r2"]
    for key in ("r1", "r2"):
        finish(store, key, "complete")
        launcher.end(key, JobState.OK, 0)
    assert not step(pool)
    assert {view.status for view in pool.views.values()} == {RunStatus.COMPLETE}


def test_complete_runs_are_reused_and_failed_ones_tried_again(store: Store) -> None:
    first = make(store, FakeLauncher())
    assert step(first)
    finish(store, "r0", "complete")
    finish(store, "r1", "failed")
    launcher = FakeLauncher()
    again = make(store, launcher)
    again.step()
    assert launcher.started == ["r1", "r2"]
    assert again.views["r0"].reused


def test_a_bug_is_recorded_and_its_replicates_are_held_back(store: Store) -> None:
    launcher = FakeLauncher()
    pool = make(store, launcher)
    pool.step()
    pool.views["r0"].log.parent.mkdir(parents=True)
    pool.views["r0"].log.write_text("ImportError: no module named x")
    launcher.end("r0", JobState.FAILED, 1)
    assert step(pool)
    record = read_run(store.run_dir("r0"))
    assert record.status is RunStatus.FAILED
    assert record.finish is not None and record.finish.failure == "bug"
    assert "ImportError" in record.finish.detail
    assert launcher.started == ["r0", "r1"]
    assert pool.views["r2"].held_back.startswith("v s0 failed: ")
    finish(store, "r1", "complete")
    launcher.end("r1", JobState.OK, 0)
    assert [view.key for view in pool.step()] == ["r1"]
    assert not pool.busy


def test_fail_fast_stops_the_rest(store: Store) -> None:
    launcher = FakeLauncher()
    pool = make(store, launcher, fail_fast=True)
    pool.step()
    launcher.end("r0", JobState.FAILED, 1)
    assert step(pool)
    assert launcher.asked == ["r1"]
    launcher.end("r1", JobState.STOPPED, 85)
    assert not step(pool)
    assert launcher.started == ["r0", "r1"]
    assert pool.views["r1"].status is RunStatus.STOPPED


def test_a_killed_worker_is_tried_again_a_bounded_number_of_times(store: Store) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make(store, launcher, runs=1)
    for _ in range(RETRIES + 1):
        assert step(pool)
        launcher.end("r0", JobState.LOST, -9)
    assert not step(pool)
    assert launcher.started == ["r0"] * (RETRIES + 1)
    finish_event = read_run(store.run_dir("r0")).finish
    assert finish_event is not None
    assert finish_event.failure == "node"
    assert "SIGKILL" in finish_event.message


def test_the_records_decide_and_not_the_exit_code(store: Store) -> None:
    launcher = FakeLauncher(slots=2)
    pool = make(store, launcher, runs=2)
    pool.step()
    finish(store, "r0", "complete")
    launcher.end("r0", JobState.FAILED, 1)
    finish(store, "r1", "stopped")
    launcher.end("r1", JobState.FAILED, 1)
    pool.step()
    assert pool.views["r0"].status is RunStatus.COMPLETE
    assert launcher.started == ["r0", "r1", "r1"]


def test_the_end_of_an_older_attempt_does_not_count(store: Store) -> None:
    make(store, FakeLauncher())
    finish(store, "r0", "stopped")
    launcher = FakeLauncher(slots=1)
    pool = make(store, launcher, runs=1)
    pool.step()
    launcher.end("r0", JobState.FAILED, 1)
    assert not step(pool)
    assert pool.views["r0"].status is RunStatus.FAILED
    assert launcher.started == ["r0"]


def test_stopping_waits_for_the_workers_and_starts_nothing(store: Store) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make(store, launcher)
    pool.step()
    pool.stop()
    assert launcher.asked == ["r0"]
    assert step(pool)
    launcher.end("r0", JobState.STOPPED, 85)
    assert not step(pool)
    assert launcher.started == ["r0"]


def test_a_run_locked_elsewhere_is_asked_for_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling, "BUSY_PAUSE", 1e9)
    launcher = FakeLauncher(slots=1)
    pool = make(store, launcher, runs=2)
    pool.step()
    launcher.end("r0", JobState.BUSY, 75)
    assert step(pool)
    assert launcher.started == ["r0", "r1"]
    assert pool.views["r0"].status is RunStatus.PLANNED


def test_the_estimate_counts_what_is_left_on_the_slots_there_are(store: Store) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make(store, launcher)
    assert study_seconds_left(list(pool.views.values()), 1) is None
    finish(store, "r0", "complete")
    pool = make(store, FakeLauncher(slots=1))
    views = list(pool.views.values())
    assert study_seconds_left(views, 1) == pytest.approx(10.0)
    assert study_seconds_left(views, 2) == pytest.approx(5.0)
