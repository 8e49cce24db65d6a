"""The pool's decisions, with a launcher whose jobs end as the test says."""

import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tempo.cli.render.run_changes import Changes
from tempo.core.jobs import JobSpec, JobState, JobStatus
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec, RunStatus
from tempo.launch.scheduling import other_drivers as drivers
from tempo.launch.scheduling import pool as pooling
from tempo.launch.scheduling.failure_policy import RETRIES
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import RunRequest, run_requests
from tempo.launch.study_status import study_seconds_left
from tempo.ledger.port import this_process
from tempo.ledger.sql import SqliteLedger
from tempo.records.event_log import EventLog
from tempo.records.events import LOST_LEASE, AttemptStarted, CheckpointSaved, Finished, Trained
from tempo.records.layout import Store
from tempo.records.run_record import read_run


class FakeLauncher:
    """Jobs run until `end` is called."""

    def __init__(self, slots: int | None = 2, live: Sequence[str] = ()) -> None:
        self.slots = slots
        self.live = live
        self.specs: dict[str, JobSpec] = {}
        self.jobs: dict[str, JobStatus] = {}
        self.started: list[str] = []
        self.asked: list[str] = []

    def submit(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        for job in jobs:
            self.jobs[job.key] = JobStatus(state=JobState.RUNNING)
            self.started.append(job.key)
            self.specs[job.key] = job
        return {job.key: job.key for job in jobs}

    def attach(self, keys: Iterable[str]) -> Mapping[str, str]:
        """`live` are the jobs of an earlier driver."""
        found = [key for key in keys if key in self.live]
        self.jobs |= {key: JobStatus(state=JobState.PENDING) for key in found}
        return {key: key for key in found}

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
    pool = Pool(store, launcher, command=lambda spec: ["run", spec.run_id], fail_fast=fail_fast)
    pool.add(run_requests(make_plan(runs)))
    return pool


def step(pool: Pool) -> bool:
    """One step; whether something is left to do."""
    pool.step()
    return pool.busy


def finish(
    store: Store,
    run_id: str,
    status: str,
    attempt: int = 1,
    step: int = 10,
    failure: str | None = None,
    detail: str = "",
) -> None:
    with EventLog(store.run_dir(run_id), attempt) as log:
        log.append(AttemptStarted(resumed_step=0, total_steps=10))
        log.append(Trained(step=step, clips=1, epoch=0.1, values={}))
        log.append(
            Finished(
                status=status,
                step=step,
                seconds=5.0,
                train_seconds=4.0,
                peak_memory=0,
                failure=failure,
                message="it broke" if failure else "",
                detail=detail,
            )
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


@pytest.mark.parametrize(
    ("output", "losses"),
    [
        (
            "Traceback of something earlier\nthe lease of r0 could not be renewed; leaving\n",
            (
                "step 0: the lease of r0 could not be renewed; it has no checkpoint yet, so it "
                "begins again at step 0",
            ),
        ),
        ("r0 is held by process 7 on far; unless that goes on it can be taken over in 3 s\n", ()),
        ("", ()),
    ],
)
def test_a_lease_that_was_lost_is_known_to_the_study(
    store: Store, output: str, losses: tuple[str, ...]
) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make(store, launcher, runs=1)
    pool.step()
    log = launcher.specs["r0"].log
    log.parent.mkdir(parents=True)
    log.write_text(output)
    launcher.end("r0", JobState.BUSY, 75)
    assert step(pool)
    assert pool.views["r0"].losses == losses


@pytest.mark.parametrize("began", [False, True])
def test_a_run_whose_worker_refuses_it_has_stopped_and_is_not_begun_again(
    store: Store, *, began: bool
) -> None:
    launcher = FakeLauncher(slots=None)
    pool = make(store, launcher, runs=1)
    pool.step()
    if began:
        finish(store, "r0", "stopped")
        launcher.end("r0", JobState.STOPPED, 85)
        assert step(pool) and launcher.started == ["r0", "r0"], "a job that was stopped goes on"
    log = launcher.specs["r0"].log
    log.parent.mkdir(parents=True)
    log.write_text("staging data\nbudget.gpu_hours is 3, and 4 were spent; nothing was begun\n")
    launcher.end("r0", JobState.STOPPED, 85)
    assert not step(pool)
    view = pool.views["r0"]
    assert (view.status, view.refused) == (
        RunStatus.STOPPED,
        "budget.gpu_hours is 3, and 4 were spent",
    )
    assert len(launcher.started) == 1 + began
    (line,) = Changes().since([view])
    assert line == "stopped   v s0 before it began: budget.gpu_hours is 3, and 4 were spent"


def test_a_lost_lease_that_the_record_tells_needs_no_log(store: Store) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make(store, launcher, runs=1)
    pool.step()
    with EventLog(store.run_dir("r0"), 1) as log:
        log.append(AttemptStarted(resumed_step=0, total_steps=10))
        log.append(Trained(step=6, clips=1, epoch=0.1, values={}))
        log.append(CheckpointSaved(step=4, path="checkpoints/4.pt", sha256="", best=False))
        log.append(
            Finished(
                status="stopped",
                step=6,
                seconds=5.0,
                train_seconds=4.0,
                peak_memory=0,
                failure=LOST_LEASE,
                message="the lease of r0 could not be renewed",
            )
        )
    launcher.end("r0", JobState.BUSY, 75)
    assert step(pool)
    (loss,) = pool.views["r0"].losses
    assert loss == (
        "step 6: the lease of r0 could not be renewed; it goes on from its last checkpoint, of "
        "step 4"
    )


def test_a_worker_that_does_not_renew_its_lease_is_silent(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "LOOK_SECONDS", 0.0)
    ledger = SqliteLedger(store.root / "ledger.db")
    launcher = FakeLauncher(slots=1)
    pool = Pool(store, launcher, ledger, command=lambda spec: ["run", spec.run_id])
    pool.add(run_requests(make_plan(1)))
    pool.step()
    token = ledger.claim("r0", this_process(), 60.0)
    assert token is not None
    pool.step()
    assert pool.views["r0"].silent == ""
    ledger._run("UPDATE tempo_lease SET expires = expires - 100 RETURNING key")
    pool.step()
    said = pool.views["r0"].silent
    assert said.startswith(f"its worker, {this_process()}, is frozen, starved or cut off from")
    assert said.endswith("the ledger: its lease ended 40 s ago")
    assert launcher.started == ["r0"]
    ledger.renew("r0", token, 60.0)
    pool.step()
    assert pool.views["r0"].silent == ""
    pool.close()


def test_the_estimate_counts_what_is_left_on_the_slots_there_are(store: Store) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make(store, launcher)
    assert study_seconds_left(list(pool.views.values()), 1) is None
    finish(store, "r0", "complete")
    pool = make(store, FakeLauncher(slots=1))
    views = list(pool.views.values())
    assert study_seconds_left(views, 1) == pytest.approx(10.0)
    assert study_seconds_left(views, 2) == pytest.approx(5.0)
    assert study_seconds_left(views, 2, more=4) == pytest.approx(15.0)


def work(variant: str, seed: int, cost: float | None = None) -> RunRequest:
    run = PlannedRun(run_id=f"{variant}{seed}", variant=variant, seed=seed)
    spec = RunSpec(run_id=run.run_id, seed=seed, config=CONFIG)
    return RunRequest(run=run, spec=spec, cost=cost)


CONFIG = {"method": "average", "runtime": {}}
TRACE = 'Traceback ...\n  File "/code/{file}.py", line 7, in step\nValueError: {text}\n'


def make_pool(
    store: Store, launcher: FakeLauncher, *works: RunRequest, ledger: SqliteLedger | None = None
) -> Pool:
    pool = Pool(store, launcher, ledger, command=lambda spec: ["run", spec.run_id])
    pool.add(works)
    return pool


def test_the_longest_begins_first_replicate_by_replicate(store: Store) -> None:
    launcher = FakeLauncher(slots=1)
    works = [
        work(name, seed, cost) for name, cost in [("a", 1), ("b", 5), ("c", 3)] for seed in (0, 1)
    ]
    pool = make_pool(store, launcher, *works)
    while pool.busy:
        pool.step()
        for key in list(launcher.jobs):
            finish(store, key, "complete")
            launcher.end(key, JobState.OK, 0)
    assert launcher.started == ["b0", "c0", "a0", "b1", "c1", "a1"]


def test_runs_can_be_added_while_others_run_and_ends_are_told_once(store: Store) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make_pool(store, launcher, work("a", 0))
    assert pool.step() == ()
    finish(store, "a0", "complete")
    launcher.end("a0", JobState.OK, 0)
    assert [view.key for view in pool.step()] == ["a0"]
    assert not pool.busy
    pool.add([work("b", 0), work("a", 0)])
    assert [view.key for view in pool.step()] == ["a0"], "what is complete is told at once"
    assert launcher.started == ["a0", "b0"]
    pool.stop(["b0"])
    assert launcher.asked == ["b0"]
    finish(store, "b0", "stopped")
    launcher.end("b0", JobState.STOPPED, 85)
    assert [(view.key, view.status) for view in pool.step()] == [("b0", RunStatus.STOPPED)]
    assert not pool.busy, "a run that was stopped is not begun again"


@pytest.mark.parametrize(
    ("failure", "tries"),
    [("oom", 1), ("data", 1), ("non_finite", 1), ("bug", 1), ("node", 1 + RETRIES)],
)
def test_what_follows_from_a_failure_depends_on_its_kind(
    store: Store, failure: str, tries: int
) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make_pool(store, launcher, work("a", 0))
    for attempt in range(1, tries + 1):
        assert step(pool)
        finish(store, "a0", "failed", attempt, failure=failure)
        launcher.end("a0", JobState.FAILED, 1)
    assert not step(pool)
    assert launcher.started == ["a0"] * tries
    assert pool.views["a0"].status is RunStatus.FAILED
    assert len(read_run(store.run_dir("a0")).attempts) == tries


def test_a_lost_run_is_tried_elsewhere(store: Store) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make_pool(store, launcher, work("a", 0))
    pool.step()
    launcher.jobs["a0"] = JobStatus(state=JobState.LOST, code=-9, where="GPU 3")
    pool.step()
    assert launcher.specs["a0"].avoid == ("GPU 3",)
    (loss,) = pool.views["a0"].losses
    assert loss.startswith("step 0: the worker was killed by SIGKILL")
    assert loss.endswith("; it has no checkpoint yet, so it begins again at step 0")


def test_a_bug_that_two_variants_share_holds_everything_back(store: Store) -> None:
    launcher = FakeLauncher(slots=2)
    works = [work(name, seed) for name in "abc" for seed in (0, 1)]
    pool = make_pool(store, launcher, *works)
    pool.step()
    for key, text in (("a0", "got 3"), ("b0", "got 4")):
        finish(store, key, "failed", failure="bug", detail=TRACE.format(file="x", text=text))
        launcher.end(key, JobState.FAILED, 1)
    pool.step()
    assert launcher.started == ["a0", "b0"]
    assert {view.key for view in pool.views.values() if view.held_back} == {"a1", "b1", "c0", "c1"}
    assert pool.views["c0"].held_back.endswith("ValueError at /code/x.py:7")
    assert not pool.busy


def test_bugs_of_their_own_hold_back_their_own_variant_only(store: Store) -> None:
    launcher = FakeLauncher(slots=2)
    pool = make_pool(store, launcher, *[work(name, seed) for name in "abc" for seed in (0, 1)])
    pool.step()
    for key in ("a0", "b0"):
        finish(store, key, "failed", failure="bug", detail=TRACE.format(file=key, text="no"))
        launcher.end(key, JobState.FAILED, 1)
    pool.step()
    assert launcher.started == ["a0", "b0", "c0", "c1"]


def test_a_cluster_queues_by_itself_and_jobs_of_an_earlier_driver_are_followed(
    store: Store,
) -> None:
    launcher = FakeLauncher(slots=None, live=["a0"])
    pool = Pool(store, launcher, command=lambda spec: ["run"], limit=2)
    pool.add([work("a", seed) for seed in range(4)])
    pool.step()
    assert launcher.started == ["a1"], "two in flight, one of them from before"
    pool.step()
    assert pool.views["a0"].queued
    finish(store, "a0", "complete")
    launcher.end("a0", JobState.UNKNOWN, 0)
    pool.step()
    assert pool.views["a0"].status is RunStatus.COMPLETE
    assert launcher.started == ["a1", "a2"]


@pytest.fixture
def ledger(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteLedger]:
    monkeypatch.setattr(drivers, "LOOK_SECONDS", 0.0)
    ledger = SqliteLedger(store.root / "ledger.db")
    yield ledger
    ledger.close()


def test_a_run_of_another_invocation_is_followed_and_never_begun(
    store: Store, ledger: SqliteLedger
) -> None:
    token = ledger.claim("a0", this_process(), 60.0)
    assert token is not None
    launcher = FakeLauncher(slots=2)
    pool = make_pool(store, launcher, work("a", 0), work("a", 1), ledger=ledger)
    pool.step()
    assert launcher.started == ["a1"]
    view = pool.views["a0"]
    assert (view.status, view.elsewhere) == (RunStatus.RUNNING, this_process())
    finish(store, "a0", "complete", attempt=token)
    ledger.release("a0", token)
    assert [view.key for view in pool.step()] == ["a0"]
    assert (view.status, view.elsewhere, view.reused) == (RunStatus.COMPLETE, None, False)
    assert launcher.started == ["a1"]


@pytest.mark.parametrize(("status", "begun"), [("failed", []), ("stopped", ["a0"])])
def test_what_another_invocation_leaves_is_taken_over_but_not_its_failure(
    store: Store, ledger: SqliteLedger, status: str, begun: list[str]
) -> None:
    token = ledger.claim("a0", this_process(), 60.0)
    assert token is not None
    launcher = FakeLauncher()
    pool = make_pool(store, launcher, work("a", 0), ledger=ledger)
    pool.step()
    finish(store, "a0", status, attempt=token, failure="data" if status == "failed" else None)
    ledger.release("a0", token)
    pool.step()
    assert launcher.started == begun


def test_a_failure_is_forgotten_once_another_invocation_completed_the_run(store: Store) -> None:
    launcher = FakeLauncher()
    pool = make_pool(store, launcher, work("a", 0), work("b", 0))
    pool.step()
    for key in ("a0", "b0"):
        finish(store, key, "failed", failure="data")
        launcher.end(key, JobState.FAILED, 1)
    pool.step()
    finish(store, "b0", "complete", attempt=2)
    pool.reconsider_failures()
    assert [view.status for view in pool.views.values()] == [
        RunStatus.FAILED,
        RunStatus.COMPLETE,
    ]
    assert not pool.busy


CLAIM = """
import sys
from pathlib import Path
from tempo.ledger.port import this_process
from tempo.ledger.sql import SqliteLedger
print(SqliteLedger(Path(sys.argv[1])).claim("a0", this_process(), 600.0), flush=True)
"""


def test_a_run_whose_owner_died_is_begun_at_once(store: Store, ledger: SqliteLedger) -> None:
    path = str(store.root / "ledger.db")
    claimed = subprocess.run(
        [sys.executable, "-c", CLAIM, path], capture_output=True, text=True, check=True
    )
    assert claimed.stdout == "1\n"
    launcher = FakeLauncher()
    pool = make_pool(store, launcher, work("a", 0), ledger=ledger)
    pool.step()
    assert launcher.started == ["a0"]


def test_a_request_to_stop_ends_the_pool_and_beginning_anew_takes_it_back(
    store: Store, ledger: SqliteLedger
) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make_pool(store, launcher, work("a", 0), work("a", 1), ledger=ledger)
    pool.step()
    ledger.ask_to_stop(["a0", "a1"])
    pool.step()
    assert launcher.asked == ["a0"]
    assert pool.busy, "a0 writes its checkpoint"
    finish(store, "a0", "stopped")
    launcher.end("a0", JobState.STOPPED, 85)
    pool.step()
    assert not pool.busy
    assert launcher.started == ["a0"]
    again = FakeLauncher(slots=2)
    make_pool(store, again, work("a", 0), work("a", 1), ledger=ledger).step()
    assert again.started == ["a0", "a1"]


def test_a_death_is_not_recorded_for_a_run_that_another_carries_on(
    store: Store, ledger: SqliteLedger
) -> None:
    launcher = FakeLauncher(slots=1)
    pool = make_pool(store, launcher, work("a", 0), ledger=ledger)
    pool.step()
    assert ledger.claim("a0", this_process(), 60.0) is not None
    launcher.end("a0", JobState.FAILED, 1)
    pool.step()
    assert read_run(store.run_dir("a0")).attempts == ()
    pool.step()
    assert pool.views["a0"].elsewhere == this_process()


class SharedLauncher(FakeLauncher):
    """Grants slots as the test says, and asks for those of `back`."""

    def __init__(self, slots: int = 2) -> None:
        super().__init__(slots)
        self.grants = slots
        self.back: dict[str, str] = {}
        self.priorities: list[int] = []
        self.holders: tuple[str, ...] = ()

    def reserve(self, priority: int, avoid: Collection[str] = ()) -> bool:
        self.priorities.append(priority)
        self.holders = () if self.grants else ("1 run of other",)
        self.grants -= self.grants > 0
        return not self.holders

    def withdraw(self) -> None:
        self.holders = ()

    def asked_back(self) -> Mapping[str, str]:
        return self.back

    def close(self) -> None:
        self.grants = -1


def test_the_highest_priority_begins_first(store: Store) -> None:
    launcher = SharedLauncher(slots=1)
    pool = Pool(store, launcher, command=lambda spec: [], priority=2)
    first, second, third = (work(name, 0, cost) for name, cost in (("a", 9), ("b", 5), ("c", 1)))
    pool.add([first, second, replace(third, priority=3)])
    for key in ("c0", "a0", "b0"):
        launcher.grants = 1
        pool.step()
        finish(store, key, "complete")
        launcher.end(key, JobState.OK, 0)
    pool.step()
    assert launcher.started == ["c0", "a0", "b0"]
    assert [each for each in launcher.priorities if each == 5] == [5]
    assert set(launcher.priorities) == {5, 2}


def test_a_run_waits_for_the_slots_of_others(store: Store) -> None:
    launcher = SharedLauncher(slots=2)
    launcher.grants = 1
    pool = make_pool(store, launcher, work("a", 0), work("a", 1))
    pool.step()
    assert launcher.started == ["a0"]
    assert pool.waits_for == "1 run of other"
    pool.stop()
    pool.step()
    assert pool.waits_for == ""
    pool.close()
    assert launcher.grants == -1


def test_a_run_that_gives_way_is_begun_again(store: Store) -> None:
    launcher = SharedLauncher(slots=1)
    pool = make_pool(store, launcher, work("a", 0))
    pool.step()
    launcher.back = {"a0": "urgent (priority 9)"}
    pool.step()
    pool.step()
    assert launcher.asked == ["a0"]
    launcher.back = {}
    finish(store, "a0", "stopped")
    launcher.end("a0", JobState.STOPPED, 85)
    assert pool.step() == ()
    view = pool.views["a0"]
    assert view.status is RunStatus.STOPPED and view.gives_way == "urgent (priority 9)"
    assert pool.busy and not view.withdrawn
    launcher.grants = 1
    pool.step()
    assert launcher.started == ["a0", "a0"]
    assert view.status is RunStatus.RUNNING and view.gives_way == ""
