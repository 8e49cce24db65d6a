"""Runs that start from another run's weights, and runs with frozen parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tempo.core.jobs import RESUMABLE
from tempo.core.records import Parent, RunSpec, RunStatus
from tempo.records.layout import Store
from tempo.records.parent_runs import hours_behind, recorded_weights, unready_parent
from tempo.records.reuse import reuse_status
from tempo.records.run_record import RunRecord, read_run
from tempo.spec.study import identity
from tempo.train.run import run_folder as worker
from tempo.train.run.stop_request import StopRequest

from .conftest import broken_at, config, final_state, save_run
from .test_resume import differences


def child_of(parent: Path, over: dict[str, Any], root: Path | None = None) -> Path:
    """The folder of a run that takes its weights from the run in `parent`."""
    made = config(over)
    source = Parent(source="first", run_id=parent.name)
    spec = RunSpec(
        run_id=f"child{identity(made, 0)[5:]}",
        seed=0,
        config=made.model_dump(mode="json"),
        parents=(source,),
    )
    return Store(root or parent.parents[1]).save_run(spec)


def started(**more: Any) -> dict[str, Any]:
    return {"recipe": {"init": {"from": "first", **more}, "lr": 5e-4}}


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    folder = save_run(tmp_path_factory.mktemp("family"), 0, {})
    assert worker.run(folder, cache) == 0
    return folder


def note(record: RunRecord, topic: str) -> Any:
    (found,) = [each for each in record.notes if each.topic == topic]
    return found


def chosen_weights(folder: Path) -> dict[str, torch.Tensor]:
    from tempo.spec.study import RunConfig
    from tempo.train.evaluation.methods import chosen_checkpoints
    from tempo.train.run.checkpoints import Checkpoints, weights_of

    made = RunConfig.model_validate(read_run(folder).spec.config)
    (saved,) = chosen_checkpoints(folder, made)
    return weights_of(Checkpoints(folder).load(saved))


def test_a_run_starts_from_the_weights_that_its_parents_result_was_made_with(
    parent: Path, cache: Path
) -> None:
    over = started()
    over["recipe"] |= {"lr": 1e-30, "warmup": 0, "budget": {"steps": 1}}
    over["recipe"]["optimiser"] = {"kind": "adamw", "weight_decay": 0.0}
    folder = child_of(parent, over)
    assert worker.run(folder, cache) == 0
    weights, now = chosen_weights(parent), final_state(folder)["trainer"]["model"]
    assert all(torch.equal(weights[name], now[name]) for name in weights)
    told = note(read_run(folder), "init")
    assert told.values["run_id"] == parent.name
    assert told.values["weights"] == recorded_weights(parent) and len(told.values["weights"]) == 64
    assert set(told.values["copied"]) == set(weights)
    assert told.values["left"] == told.values["fresh"] == ()
    assert f"run {parent.name}" in told.message


def test_what_was_left_and_what_is_fresh_is_recorded(parent: Path, cache: Path) -> None:
    over = started(only=["encoder"], strict=False)
    over["recipe"]["budget"] = {"steps": 1}
    folder = child_of(parent, over)
    assert worker.run(folder, cache) == 0
    values = note(read_run(folder), "init").values
    assert all(name.startswith("encoder.") for name in values["copied"])
    assert set(values["fresh"]) == set(values["left"])
    assert {*values["copied"], *values["fresh"]} == set(chosen_weights(parent))


@pytest.mark.parametrize("step", [0, 1, 4, 7, 11])
def test_resumed_equals_undisturbed_after_a_start_and_with_frozen_parts(
    parent: Path,
    cache: Path,
    tmp_path: Path,
    step: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = started()
    over["recipe"] |= {"freeze": ["encoder", "head.last.weight"], "ema": 0.9}
    whole = child_of(parent, over)
    if not reuse_status(whole).complete:
        assert worker.run(whole, cache) == 0
    family = tmp_path / "runs"
    family.mkdir()
    (family / parent.name).symlink_to(parent)
    broken = child_of(parent, over, tmp_path)
    broken_at(step, monkeypatch)
    assert worker.run(broken, cache) == 1
    assert worker.run(broken, cache) == 0
    assert differences(whole, broken) == []
    assert note(read_run(broken), "init").values == note(read_run(whole), "init").values


def test_frozen_parts_do_not_move_and_the_others_do(parent: Path, cache: Path) -> None:
    over = started()
    over["recipe"] |= {"freeze": ["encoder"], "lr": 1e-2}
    folder = child_of(parent, over)
    assert worker.run(folder, cache) == 0
    before, after = chosen_weights(parent), final_state(folder)["trainer"]["model"]
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(name.startswith("encoder.") for name in moved)
    assert any(name.startswith("decoder.") for name in moved)
    held = note(read_run(folder), "freeze").values
    assert set(held["parameters"]) == {name for name in before if name.startswith("encoder.")}
    assert held["elements"] == sum(before[name].numel() for name in held["parameters"])
    groups = final_state(folder)["trainer"]["optimiser"]["param_groups"]
    assert sum(len(each["params"]) for each in groups) == len(before) - len(held["parameters"])


def test_a_run_whose_parent_has_no_result_is_not_begun(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = save_run(tmp_path, 3, {})
    folder = child_of(absent, started())
    assert worker.run(folder, cache) == RESUMABLE
    said = capsys.readouterr().err
    assert f"it builds on first (run {absent.name}), which has no result yet" in said
    assert not (folder / "events.jsonl").exists()


def test_a_run_whose_parent_failed_says_why(tmp_path: Path, cache: Path) -> None:
    failing = save_run(tmp_path, 0, {"recipe": {"freeze": ["nothing"]}})
    assert worker.run(failing, cache) == 1
    said = unready_parent(failing.parent, [Parent(source="first", run_id=failing.name)])
    assert said is not None and "which failed: SpecError: recipe.freeze: this network has" in said


def test_a_parent_that_was_trained_again_makes_a_run_stale_and_the_run_is_made_again(
    tmp_path: Path, cache: Path
) -> None:
    first = save_run(tmp_path, 0, {})
    assert worker.run(first, cache) == 0
    child = child_of(first, started())
    assert worker.run(child, cache) == 0
    grandchild = child_of(child, started() | {"recipe": {"init": {"from": "first"}, "lr": 2e-4}})
    assert worker.run(grandchild, cache) == 0
    assert not reuse_status(child).stale and not reuse_status(grandchild).stale
    events = first / "events.jsonl"
    before = recorded_weights(first)
    assert before is not None
    events.write_text(events.read_text().replace(before, "0" * 64))
    for each in (child, grandchild):
        found = reuse_status(each)
        assert found.complete and found.stale
        assert found.why == f"made from the weights of run {first.name}, which was trained again"
    # Its weights are still those of its checkpoints, so it has to be trained again for real.
    events.write_text(events.read_text().replace("0" * 64, before))
    value = json.loads((first / "run.json").read_text())
    value["config"]["recipe"]["lr"] = 2e-3
    (first / "run.json").write_text(json.dumps(value))
    events.write_text(events.read_text().replace('"code_stamp":"', '"code_stamp":"old'))
    assert worker.run(first, cache) == 0
    assert recorded_weights(first) != before
    assert reuse_status(child).stale
    assert worker.run(child, cache) == 0
    record = read_run(child)
    assert record.attempts[-1].afresh and not reuse_status(child).stale
    assert note(record, "init").values["weights"] == recorded_weights(first)


def test_while_a_parent_is_trained_again_its_children_are_stale(
    parent: Path, tmp_path: Path, cache: Path
) -> None:
    first = save_run(tmp_path, 0, {})
    assert worker.run(first, cache) == 0
    child = child_of(first, started())
    assert worker.run(child, cache) == 0
    events = first / "events.jsonl"
    events.write_text(events.read_text().replace('"code_stamp":"', '"code_stamp":"old'))
    stop = StopRequest()
    stop.ask()
    from tempo.train.run import attempt

    original, attempt.Training.run = attempt.Training.run, lambda self: stop.check()  # type: ignore[method-assign]
    try:
        assert worker.run(first, cache) == RESUMABLE
    finally:
        attempt.Training.run = original  # type: ignore[method-assign]
    assert read_run(first).status is RunStatus.STOPPED
    assert reuse_status(child).stale


def test_records_without_hashes_and_parents_that_are_gone_make_nothing_stale(
    tmp_path: Path, cache: Path
) -> None:
    first = save_run(tmp_path, 0, {})
    assert worker.run(first, cache) == 0
    child = child_of(first, started())
    assert worker.run(child, cache) == 0
    events = first / "events.jsonl"
    events.write_text(events.read_text().replace(f',"weights":"{recorded_weights(first)}"', ""))
    assert recorded_weights(first) == "" and not reuse_status(child).stale
    first.rename(tmp_path / "elsewhere")
    assert not reuse_status(child).stale


def test_weights_that_are_not_those_of_the_result_are_refused(tmp_path: Path, cache: Path) -> None:
    first = save_run(tmp_path, 0, {})
    assert worker.run(first, cache) == 0
    events = first / "events.jsonl"
    events.write_text(events.read_text().replace(str(recorded_weights(first)), "1" * 64))
    child = child_of(first, started())
    assert worker.run(child, cache) == 1
    finish = read_run(child).finish
    assert finish is not None and finish.failure == "data"
    assert "do not hold the weights that its result was made with" in finish.message


def test_a_file_of_weights_is_checked_and_used(parent: Path, tmp_path: Path, cache: Path) -> None:
    from tempo.records.files import sha256_of

    path = tmp_path / "weights.pt"
    torch.save(chosen_weights(parent), path)
    made = config({"recipe": {"init": {"from": str(path)}, "budget": {"steps": 1}}})
    source = Parent(source=str(path), sha256=sha256_of(path))
    spec = RunSpec(
        run_id="filechild001", seed=0, config=made.model_dump(mode="json"), parents=(source,)
    )
    folder = Store(tmp_path).save_run(spec)
    assert worker.run(folder, cache) == 0
    assert note(read_run(folder), "init").values["weights"] == source.sha256
    path.write_bytes(path.read_bytes() + b"x")
    other = Store(tmp_path / "other").save_run(spec)
    assert worker.run(other, cache) == 1
    finish = read_run(other).finish
    assert (
        finish is not None and "is not the file that the study was planned with" in finish.message
    )


def test_the_hours_behind_a_run_are_those_of_all_runs_above_it(
    parent: Path, cache: Path, tmp_path: Path
) -> None:
    child = child_of(parent, started())
    if not reuse_status(child).complete:
        assert worker.run(child, cache) == 0
    over = {"recipe": {"init": {"from": "first"}, "budget": {"steps": 1}, "lr": 3e-4}}
    grandchild = child_of(child, over)
    hours = read_run(parent).device_hours + read_run(child).device_hours
    assert hours_behind(grandchild) == pytest.approx(hours) and hours > 0
    assert hours_behind(parent) is None
