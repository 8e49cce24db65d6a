"""Stages, a start from other weights, teachers and changing data on two processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tempo.core.jobs import RESUMABLE
from tempo.core.records import Parent, RunSpec, RunStatus
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.train.run import run_folder as worker
from tests.reference_vgg import small_vgg

from .conftest import config, final_state, save_run
from .test_data_schedules import MIXTURE
from .test_resume import differences
from .test_spread import finish, rank_of, reached, spread
from .test_stages import note_steps
from .test_start import chosen_weights, note

TEACHING: dict[str, Any] = {
    "kind": "sum",
    "terms": [
        {"loss": "l1"},
        {"loss": {"kind": "distillation", "teacher": "first"}, "weight": 0.5},
        {
            "loss": {"kind": "perceptual", "weights": small_vgg(), "layers": {"relu2_1": 1.0}},
            "weight": 0.1,
        },
    ],
}
OVER: dict[str, Any] = {
    "recipe": {
        "precision": "fp64",
        "init": {"from": "first"},
        "freeze": ["encoder"],
        "ema": 0.9,
        "budget": {"steps": 6},
        "stages": [
            {"name": "mixed", "budget": {"steps": 7}, "data": MIXTURE, "crop": 24, "lr": 5e-4},
            {"budget": {"steps": 7}, "loss": TEACHING, "optimiser": "fresh"},
        ],
    },
    "evaluation": {"val_every": 10},
}
"""6, 7 and 7 steps: borders after 6 and 13 of 20."""


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    folder = save_run(tmp_path_factory.mktemp("spread"), 0, {})
    assert worker.run(folder, cache) == 0
    return folder


def child(parent: Path, root: Path, name: str) -> Path:
    """The folder of a run that starts from `parent` and learns from it, in records of its own."""
    (root / name / "runs").mkdir(parents=True)
    (root / name / "runs" / parent.name).symlink_to(parent)
    spec = RunSpec(
        run_id="spreadchild1",
        seed=0,
        config=config(OVER).model_dump(mode="json"),
        parents=(Parent(source="first", run_id=parent.name),),
    )
    return Store(root / name).save_run(spec)


@pytest.fixture(scope="module")
def whole(parent: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The same on two processes that nothing disturbed."""
    folder = child(parent, tmp_path_factory.mktemp("whole"), "whole")
    assert finish(spread(folder, cache)) == 0
    return folder


def test_two_processes_equal_one_over_all_stages(
    parent: Path, whole: Path, tmp_path: Path, cache: Path
) -> None:
    alone = child(parent, tmp_path, "alone")
    assert worker.run(alone, cache) == 0
    one, two = (final_state(each)["trainer"]["model"] for each in (alone, whole))
    start = chosen_weights(parent)
    moved = {name for name in one if not torch.equal(one[name].float(), start[name])}
    assert moved and not any(name.startswith("encoder.") for name in moved)
    for name, weights in one.items():
        torch.testing.assert_close(two[name], weights, rtol=0, atol=1e-10)
    mine, theirs = read_run(alone), read_run(whole)
    assert theirs.attempts[0].environment["world_size"] == 2
    assert note_steps(mine) == note_steps(theirs) == [6, 13]
    for topic in ("init", "freeze", "teacher"):
        assert note(theirs, topic).values == note(mine, topic).values
    for a, b in zip(mine.train, theirs.train, strict=True):
        for name in ("loss", "grad_norm", *(n for n in a.values if n.startswith("loss/"))):
            assert b.values[name] == pytest.approx(a.values[name], abs=1e-9), (a.step, name)
    assert {"loss/distillation", "loss/perceptual"} <= mine.train[-1].values.keys()
    assert [each.step for each in theirs.validations] == [6, 10, 13, 20]


@pytest.mark.slow
@pytest.mark.parametrize("step", [6, 13])
def test_stopped_around_a_border_and_resumed_equals_undisturbed(
    parent: Path, whole: Path, tmp_path: Path, cache: Path, step: int
) -> None:
    parts = child(parent, tmp_path, "parts")
    process = spread(parts, cache)
    # The validation at the border is when most signals arrive; the checkpoint follows it.
    while not reached(parts, step):
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == RESUMABLE
    record = read_run(parts)
    assert record.status is RunStatus.STOPPED
    assert record.checkpoints[-1].step >= step
    assert finish(spread(parts, cache)) == 0
    assert differences(whole, parts) == []
    assert note_steps(read_run(parts)) == [6, 13]


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_rank_killed_behind_a_border_is_recovered(
    parent: Path, whole: Path, tmp_path: Path, cache: Path, rank: str
) -> None:
    killed = child(parent, tmp_path, "killed")
    process = spread(killed, cache)
    while not reached(killed, 6):
        assert process.poll() is None
        time.sleep(0.002)
    victims = [p for p in psutil.Process(process.pid).children(recursive=True) if rank_of(p)]
    os.kill(next(each for each in victims if rank_of(each) == rank).pid, signal.SIGKILL)
    assert finish(process) == 0
    record = read_run(killed)
    assert len(record.attempts) == 2, "the next attempt went on by itself"
    assert differences(whole, killed) == []
    assert note_steps(record) == [6, 13]
