"""Runs that take other runs' weights: the order of start, and what follows from failures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tempo.core.jobs import RESUMABLE, JobSpec, JobState
from tempo.core.records import Parent, Plan, PlannedRun, PlannedVariant, RunStatus
from tempo.launch.launchers.slurm.launcher import SlurmLauncher
from tempo.launch.launchers.slurm.script import SlurmPolicy
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import RunRequest, chain_costs, run_requests
from tempo.launch.study_status import study_status
from tempo.ledger.sql import SqliteLedger
from tempo.records.event_log import EventLog
from tempo.records.events import AttemptStarted, Evaluated, Finished
from tempo.records.layout import Store

from .test_pool import REFERENCE, FakeLauncher, finish
from .test_slurm import FakeSlurm


def run(run_id: str, *parents: str, seed: int = 0) -> PlannedRun:
    found = tuple(Parent(source=each, run_id=each) for each in parents)
    return PlannedRun(run_id=run_id, variant=f"v-{run_id}", seed=seed, parents=found)


def plan(*runs: PlannedRun) -> Plan:
    variants = [
        PlannedVariant(name=each.variant, role="variant", levels={}, config=REFERENCE)
        for each in runs
    ]
    return Plan(
        study="s",
        question="",
        profile=None,
        source="s.yaml",
        spec={},
        spec_hash="",
        baseline=None,
        variants=tuple(variants),
        runs=runs,
    )


CHAIN = plan(run("first"), run("middle", "first"), run("last", "middle"), run("other"))


def pool_of(store: Store, launcher: FakeLauncher, made: Plan = CHAIN) -> Pool:
    pool = Pool(store, launcher, command=lambda spec: ["run", spec.run_id])
    pool.add(run_requests(made))
    return pool


def complete(store: Store, launcher: FakeLauncher, run_id: str) -> None:
    finish(store, run_id, "complete")
    launcher.end(run_id, JobState.OK, 0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_run_begins_once_its_parent_is_complete_whatever_is_free(store: Store) -> None:
    launcher = FakeLauncher(slots=9)
    pool = pool_of(store, launcher)
    pool.step()
    assert launcher.started == ["first", "other"]
    complete(store, launcher, "first")
    pool.step()
    assert launcher.started == ["first", "other", "middle"]
    complete(store, launcher, "middle")
    pool.step()
    assert launcher.started[-1] == "last"
    assert launcher.specs["last"].after == ()


def test_a_run_that_a_long_chain_waits_for_is_begun_first(store: Store) -> None:
    alone = {run("long"): 5.0, run("root"): 2.0, run("leaf", "root"): 4.0, run("tip", "leaf"): 1.0}
    assert chain_costs(alone) == {"long": 5.0, "root": 7.0, "leaf": 5.0, "tip": 1.0}
    launcher = FakeLauncher(slots=1)
    pool = Pool(store, launcher, command=lambda spec: ["run", spec.run_id])
    made = plan(*alone)
    cost = chain_costs(alone)
    pool.add(RunRequest(run=one, spec=spec, cost=cost[one.run_id]) for one, spec in made.specs())
    pool.step()
    assert launcher.started == ["root"]


def test_a_parent_that_failed_holds_everything_behind_it_back_with_the_reason(store: Store) -> None:
    launcher = FakeLauncher(slots=9)
    pool = pool_of(store, launcher)
    pool.step()
    finish(store, "first", "failed", failure="data")
    launcher.end("first", JobState.FAILED, 1)
    complete(store, launcher, "other")
    pool.step()
    pool.step()
    assert launcher.started == ["first", "other"]
    assert pool.views["middle"].held_back == "it builds on v-first s0, which failed: it broke"
    assert pool.views["last"].held_back == (
        "it builds on v-middle s0, which was held back: it builds on v-first s0, which failed: "
        "it broke"
    )
    assert not pool.busy
    assert not store.run_dir("middle").joinpath("events.jsonl").exists()


def test_a_parent_that_was_withdrawn_holds_its_children_back(store: Store) -> None:
    launcher = FakeLauncher(slots=1)
    pool = pool_of(store, launcher)
    pool.stop(["first"])
    pool.step()
    assert pool.views["middle"].held_back == "it builds on v-first s0, which was stopped"


def test_a_queue_takes_all_runs_at_once_each_behind_its_parent(store: Store) -> None:
    launcher = FakeLauncher(slots=None)
    pool = pool_of(store, launcher)
    pool.step()
    assert launcher.started == ["first", "middle", "last", "other"]
    assert {key: job.after for key, job in launcher.specs.items()} == {
        "first": (),
        "other": (),
        "middle": ("first",),
        "last": ("middle",),
    }


def test_a_queued_run_that_found_no_weights_is_held_back_and_not_recorded_as_failed(
    store: Store,
) -> None:
    launcher = FakeLauncher(slots=None)
    pool = pool_of(store, launcher)
    pool.step()
    finish(store, "first", "failed", failure="bug")
    launcher.end("first", JobState.FAILED, 1)
    launcher.end("middle", JobState.STOPPED, RESUMABLE)
    launcher.end("last", JobState.STOPPED, RESUMABLE)
    pool.step()
    pool.step()
    assert pool.views["middle"].held_back.endswith("which failed: it broke")
    assert pool.views["last"].held_back and pool.views["last"].status is RunStatus.PLANNED
    assert not store.run_dir("middle").joinpath("events.jsonl").exists()


def result(store: Store, run_id: str, weights: str, attempt: int, **taken: str) -> None:
    with EventLog(store.run_dir(run_id), attempt) as log:
        log.append(
            AttemptStarted(
                resumed_step=0,
                total_steps=1,
                environment={"parents": taken} if taken else {},
                afresh=attempt > 1,
            )
        )
        log.append(
            Evaluated(
                split="test",
                step=1,
                checkpoint="best",
                clips=1,
                values={},
                infos={},
                protocol={},
                protocol_hash="",
                table="",
                table_sha256="",
                gallery=(),
                weights=weights,
            )
        )
        log.append(Finished(status="complete", step=1, seconds=1, train_seconds=1, peak_memory=0))


def test_a_result_is_taken_once_its_parent_was_trained_to_the_same_weights(store: Store) -> None:
    made = plan(run("first"), run("child", "first"))
    for each in made.specs():
        store.save_run(each[1])
    result(store, "child", "c", 1, first="same")
    launcher = FakeLauncher()
    pool = pool_of(store, launcher, made)
    pool.step()
    assert launcher.started == ["first"] and not pool.views["child"].ended
    result(store, "first", "same", 1)
    launcher.end("first", JobState.OK, 0)
    pool.step()
    assert launcher.started == ["first"] and pool.views["child"].reused
    assert pool.views["child"].status is RunStatus.COMPLETE


def test_a_result_is_made_again_when_its_parent_was_trained_to_others(store: Store) -> None:
    made = plan(run("first"), run("child", "first"))
    for each in made.specs():
        store.save_run(each[1])
    result(store, "child", "c", 1, first="same")
    launcher = FakeLauncher()
    pool = pool_of(store, launcher, made)
    pool.step()
    result(store, "first", "others", 1)
    launcher.end("first", JobState.OK, 0)
    pool.step()
    assert launcher.started == ["first", "child"]
    result(store, "child", "d", 2, first="others")
    launcher.end("child", JobState.OK, 0)
    pool.step()
    assert pool.views["child"].status is RunStatus.COMPLETE and not pool.busy


def test_the_status_says_what_a_run_waits_for(store: Store) -> None:
    for each in CHAIN.specs():
        store.save_run(each[1])
    finish(store, "first", "failed", failure="data")
    ledger = SqliteLedger(store.root / "ledger.db")
    states = {each.run.run_id: each for each in study_status(CHAIN, store, ledger).runs}
    ledger.close()
    assert states["middle"].state == "waiting"
    assert states["middle"].why == "it builds on first (run first), which failed: it broke"
    assert states["last"].why == "it builds on middle (run middle), which has no result yet"
    assert not states["other"].why


# --- Slurm -----------------------------------------------------------------------------------


def job(key: str, folder: Path, *after: str) -> JobSpec:
    return JobSpec(key=key, argv=["run", key], log=folder / f"{key}.log", after=after)


def dependencies(scripts: Sequence[str]) -> list[str]:
    lines = [line for text in scripts for line in text.splitlines()]
    return [line.partition("=")[2] for line in lines if "--dependency" in line]


def test_slurm_begins_a_run_after_its_parents_task(tmp_path: Path) -> None:
    slurm = FakeSlurm()
    launcher = SlurmLauncher(tmp_path, SlurmPolicy(study="s"), slurm)
    launcher.submit([job("a", tmp_path), job("b", tmp_path)])
    launcher.submit(
        [job("c", tmp_path, "b"), job("d", tmp_path, "b"), job("e", tmp_path, "a", "b")]
    )
    assert dependencies(slurm.scripts) == [
        "singleton",
        "singleton,afterany:101_1",
        "singleton,afterany:101_0:101_1",
    ]


def test_slurm_waits_for_no_job_that_has_left_the_queue(tmp_path: Path) -> None:
    slurm = FakeSlurm()
    launcher = SlurmLauncher(tmp_path, SlurmPolicy(study="s"), slurm)
    launcher.submit([job("c", tmp_path, "gone")])
    assert dependencies(slurm.scripts) == ["singleton"]


def test_a_dry_run_shows_which_array_waits_for_which(tmp_path: Path) -> None:
    launcher = SlurmLauncher(tmp_path, SlurmPolicy(study="s"), FakeSlurm())
    found = launcher.scripts([job("a", tmp_path), job("b", tmp_path), job("c", tmp_path, "b")])
    assert dependencies([text for text, _ in found]) == ["singleton", "singleton,afterany:ARRAY0_1"]
