"""When a queue has begun a run often enough."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tempo.core.jobs import RESUMABLE, JobState, JobStatus
from tempo.core.records import RunSpec
from tempo.launch.launchers.slurm.script import RESTARTS
from tempo.launch.scheduling.failure_policy import (
    FRUITLESS,
    fruitless,
    record_worker_death,
)
from tempo.records.event_log import EventLog
from tempo.records.events import AttemptStarted, Finished
from tempo.records.layout import Store
from tempo.records.run_record import read_run

ROOT = Path(__file__).parents[2]


def stopped_at(folder: Path, steps: Sequence[int | None], status: str = "stopped") -> Path:
    """A run whose attempts were ended at these steps; None: killed without a word."""
    folder = Store(folder).save_run(RunSpec(run_id="a", seed=0, config={"runtime": {"threads": 1}}))
    at = 0
    for number, step in enumerate(steps, 1):
        with EventLog(folder, number) as log:
            log.append(AttemptStarted(resumed_step=at, total_steps=99, environment={}))
            if step is not None:
                log.append(
                    Finished(status=status, step=step, seconds=1, train_seconds=1, peak_memory=0)
                )
                at = step
    return folder


def test_a_run_that_never_gets_further_is_given_up(tmp_path: Path) -> None:
    record = read_run(stopped_at(tmp_path, [7] * FRUITLESS))
    why = fruitless(record, FRUITLESS)
    assert why is not None
    assert why.startswith("5 attempts in a row were stopped before they got past step 7; ")
    assert "resources.time" in why


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([7] * (FRUITLESS - 1), "stopped"),
        ([7] * (FRUITLESS - 1) + [8], "stopped"),
        (list(range(2 * FRUITLESS)), "stopped"),
        ([7] * (FRUITLESS - 1) + [None], "stopped"),
        ([7] * FRUITLESS, "failed"),
    ],
)
def test_others_are_begun_again(tmp_path: Path, steps: list[int | None], status: str) -> None:
    assert fruitless(read_run(stopped_at(tmp_path, steps, status)), 100) is None


def test_a_new_submission_starts_counting_afresh(tmp_path: Path) -> None:
    record = read_run(stopped_at(tmp_path, [7] * 50))
    assert fruitless(record, FRUITLESS - 1) is None


def test_a_worker_leaves_such_a_run_alone(tmp_path: Path) -> None:
    folder = stopped_at(tmp_path, [7] * FRUITLESS)
    before = (folder / "events.jsonl").read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "tempo.worker", "run", str(folder)],
        env={"PYTHONPATH": str(ROOT), RESTARTS: str(FRUITLESS)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == RESUMABLE, done.stderr
    assert "got past step 7; give each of them more time" in done.stderr
    assert (folder / "events.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("state", "code", "failure", "words"),
    [
        (JobState.LOST, -9, "node", "killed by SIGKILL"),
        (JobState.LOST, None, "node", "the cluster lost the worker, or its node"),
        (JobState.UNKNOWN, None, "node", "the cluster lost the worker, or its node"),
        (JobState.FAILED, 3, "bug", "exited with code 3"),
        (JobState.FAILED, None, "bug", "has no exit code"),
    ],
)
def test_what_a_cluster_lost_is_no_bug_of_the_variant(
    tmp_path: Path, state: JobState, code: int | None, failure: str, words: str
) -> None:
    folder = stopped_at(tmp_path, [None])
    record_worker_death(folder, JobStatus(state=state, code=code), tmp_path / "log", attempt=1)
    finish = read_run(folder).attempts[-1].finish
    assert finish is not None and finish.failure == failure and words in finish.message
