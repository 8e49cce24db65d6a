"""Runs whose data follow a schedule: killed anywhere and resumed equals undisturbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tempo.data.open_dataset import open_split
from tempo.records.event_log import read_events
from tempo.records.events import AttemptStarted
from tempo.spec.study import RunConfig, identity
from tempo.train.hardware.calibration import calibrate
from tempo.train.hardware.process_group import Group
from tempo.train.run import run_folder as worker
from tempo.train.run.batch_stream import Steps, courses, horizon, stream_batches

from .conftest import TINY, Make, broken_at, config, merged, save_run
from .test_resume import differences, interrupt_at

SLOW = {**TINY["data"], "progressive_motion": [{"until": 0.5, "motion": [0.0, 0.8]}]}
OTHER = {**TINY["data"], "seed": 1, "train_clips": 9}
MIXTURE: dict[str, Any] = {
    "kind": "mixture",
    "parts": [
        {"data": SLOW, "final": 0.0},
        {"data": OTHER, "name": "other", "start": 0.25, "weight": 0.5, "final": 2.0},
    ],
}
OVER: dict[str, Any] = {
    "data": MIXTURE,
    "recipe": {
        "budget": {"steps": 8},
        "stages": [{"budget": {"steps": 4}, "data": SLOW}, {"budget": {"steps": 6}}],
    },
}
"""8 steps on a mixture, 4 on one of its parts, 6 on the mixture again."""


def made() -> RunConfig:
    return config(OVER)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    folder = save_run(tmp_path_factory.mktemp("schedules"), 0, OVER)
    assert worker.run(folder, cache) == 0
    return folder


def steps_of(cache: Path, group: Group | None = None) -> Steps:
    recipe = made().recipe
    mixture, slow = (open_split(data, "train", cache) for data in (made().data, made().datasets[1]))
    splits = mixture, slow, mixture
    plan = horizon(recipe, *map(len, splits))
    assert {name: each.stages for name, each in courses(splits, plan).items()} == {
        mixture.digest: (8, 6),
        slow.digest: (4,),
    }
    return Steps(*splits, recipe=recipe, horizon=plan, seed=0, group=group or Group())


@pytest.mark.parametrize("step", [0, 2, 5, 8, 10, 12, 15])
def test_killed_anywhere_and_resumed_equals_undisturbed(
    whole: Path, tmp_path: Path, cache: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = save_run(tmp_path, 0, OVER)
    broken_at(step, monkeypatch)
    assert worker.run(broken, cache) == 1
    assert worker.run(broken, cache) == 0
    assert differences(whole, broken) == []


def test_preparing_processes_make_the_same_batches(
    whole: Path, make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(**OVER, runtime={"workers": 2})
    with monkeypatch.context() as patched:
        interrupt_at(patched, 5)
        worker.run(folder, cache)
    assert worker.run(folder, cache) == 0
    assert differences(whole, folder) == []


def test_the_stream_from_any_step_is_the_tail_of_the_whole(cache: Path) -> None:
    steps = steps_of(cache)
    device = torch.device("cpu")
    expected = [steps[step] for step in range(18)]
    for start in (3, 8, 13):
        fresh = steps_of(cache)
        found = stream_batches(fresh, start, workers=0, device=device)
        for batch, one in zip(found, expected[start:], strict=True):
            assert torch.equal(batch.frames, one.frames)
            assert torch.equal(batch.indices, one.indices)


def test_two_processes_share_the_same_samples(cache: Path) -> None:
    alone, shares = steps_of(cache), [steps_of(cache, Group(rank, 2)) for rank in range(2)]
    for step in range(18):
        together = torch.cat([share[step].indices for share in shares])
        assert torch.equal(together, alone[step].indices)


def test_each_stage_begins_the_schedule_anew(cache: Path) -> None:
    steps = steps_of(cache)
    own = len(open_split(made().datasets[1], "train", cache))
    from_other = [sum(steps[step].indices >= own).item() for step in range(18)]
    assert from_other[:2] == [0, 0], "the other part starts after a quarter of the budget"
    assert sum(from_other[6:8]) > 4, "and ends with nearly all"
    assert from_other[8:12] == [0] * 4, "the second stage is on one of the parts"
    assert from_other[12] == 0 and sum(from_other[16:]) > 4
    slow = set(steps[8].indices.tolist() + steps[9].indices.tolist())
    assert len(slow) < 8, "half of the budget on the slow clips alone"


def test_the_order_in_the_record_is_that_of_the_schedule(whole: Path, make: Make) -> None:
    def order(folder: Path) -> Any:
        events = (each.event for each in read_events(folder))
        return next(e for e in events if isinstance(e, AttemptStarted)).environment["data_order"]

    other = merged(OVER, {"recipe": {"budget": {"steps": 9}}})
    folder = make(**other)
    cache = whole.parents[2] / "cache"
    assert worker.run(folder, cache) == 0
    assert order(folder) != order(whole), "a longer budget, another order"


def test_a_schedule_is_part_of_the_identity_and_none_leaves_old_ones_alone() -> None:
    data: dict[str, Any] = {"kind": "mixture", "parts": [{"data": OTHER}, {"data": TINY["data"],
                                                                         "name": "b"}]}  # fmt: skip
    plain = identity(config({"data": data}), 0)
    spelt = [{**each, "start": 0.0, "final": None} for each in data["parts"]]
    assert identity(config({"data": {**data, "parts": spelt}}), 0) == plain
    moving = [{**each, "final": 2.0} for each in data["parts"]]
    assert identity(config({"data": {**data, "parts": moving}}), 0) != plain
    assert identity(config({"data": SLOW}), 0) != identity(config(), 0)


def test_such_a_run_has_a_price(cache: Path) -> None:
    price = calibrate(made(), cache)
    assert price.step_ms > 0 and price.stage_clips == (12, 21)
