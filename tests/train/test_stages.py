"""Training in stages: steps, data, losses and rates at the borders, resumed anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tempo.core.records import RunStatus
from tempo.data.open_dataset import open_split
from tempo.design.run_cost import steps_of
from tempo.records.run_record import RunRecord, read_run
from tempo.spec.study import RunConfig
from tempo.train.hardware.preflight import rehearse
from tempo.train.hardware.process_group import Group
from tempo.train.optim.optimisers import learning_rate
from tempo.train.run import run_folder as worker
from tempo.train.run.batch_stream import Steps, horizon

from .conftest import Make, broken_at, config, final_state, save_run
from .test_resume import differences

OTHER = {
    "kind": "procedural",
    "size": [40, 40],
    "motion": [2.0, 4.0],
    "train_clips": 8,
    "val_clips": 2,
    "test_clips": 2,
}

STAGES: dict[str, Any] = {
    "recipe": {
        "budget": {"steps": 5},
        "guard": {"divergence": 50.0, "window": 5},
        "ema": 0.9,
        "stages": [
            {"name": "larger", "budget": {"clips": 14}, "data": OTHER, "crop": 24, "lr": 5e-4},
            {
                "budget": {"steps": 3},
                "loss": {"kind": "sum", "terms": [{"loss": "l1"}, {"loss": "laplacian"}]},
                "optimiser": "fresh",
                "schedule": "constant",
                "warmup": 2,
            },
        ],
    },
    "evaluation": {"val_every": 6},
}
"""5, then 4 steps (14 clips in batches of 4), then 3: borders after 5 and 9 steps of 12."""


def made() -> RunConfig:
    return config(STAGES)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    folder = save_run(tmp_path_factory.mktemp("stages"), 0, STAGES)
    assert worker.run(folder, cache) == 0
    return folder


@pytest.fixture(scope="module")
def steps(cache: Path) -> Steps:
    recipe = made().recipe
    first, other = (
        open_split(made().data, "train", cache),
        open_split(made().datasets[1], "train", cache),
    )
    splits = first, other, first
    plan = horizon(recipe, *map(len, splits))
    return Steps(*splits, recipe=recipe, horizon=plan, seed=0, group=Group())


def note_steps(record: RunRecord) -> list[int]:
    return [each.step for each in record.notes if each.topic == "stage"]


def test_budgets_add_up_and_borders_lie_between() -> None:
    plan = horizon(made().recipe, 12, 8, 12)
    assert plan.steps == 12 and plan.borders == (5, 9)
    assert [plan.stage(step) for step in (0, 4, 5, 8, 9, 11)] == [0, 0, 1, 1, 2, 2]
    assert [plan.progress(step) for step in (0, 5, 7, 9)] == [0, 0, 0.5, 0]
    assert plan.epoch(5) == pytest.approx(5 * 4 / 12)
    assert plan.epoch(12) == pytest.approx(5 * 4 / 12 + 4 * 4 / 8 + 3 * 4 / 12)
    dumped = made().model_dump(mode="json")
    assert steps_of(dumped, None) == 12, "what a plan counts is what is trained"


def test_a_stage_on_the_same_data_goes_on_with_them_and_another_begins_its_own(
    steps: Steps, cache: Path
) -> None:
    plain = config({"recipe": {"budget": {"steps": 12}}})
    split = open_split(plain.data, "train", cache)
    alone = Steps(
        split, recipe=plain.recipe, horizon=horizon(plain.recipe, 12), seed=0, group=Group()
    )
    assert torch.equal(steps[4].frames, alone[4].frames)
    for step in (9, 10, 11):
        assert torch.equal(steps[step].indices, alone[step - 4].indices)
        assert torch.equal(steps[step].frames, alone[step - 4].frames)
    seen = torch.cat([steps[step].indices for step in (5, 6)])
    assert sorted(seen.tolist()) == list(range(8)), "an epoch of the other data"
    assert steps[5].frames.shape[-1] == 24 and steps[9].frames.shape[-1] == 16


def test_rates_losses_and_notes_change_at_the_borders(whole: Path) -> None:
    record, recipe = read_run(whole), made().recipe
    assert note_steps(record) == [5, 9]
    assert "stage larger begins: 4 steps, data procedural, crop 24, lr 0.0005" in next(
        each.message for each in record.notes if each.topic == "stage"
    )
    assert [each.step for each in record.validations] == [5, 6, 9, 12]
    found = next(each for each in record.notes if each.topic == "milestones").values
    by_step = {each.step: each.values["psnr"] for each in record.validations}
    assert found["psnr_at_end_of_stage_1"] == by_step[5]
    assert found["psnr_at_end_of_stage_2"] == by_step[9]
    terms = [sorted(n for n in each.values if n.startswith("loss/")) for each in record.train]
    assert terms[0] == ["loss/charbonnier"] and terms[-1] == ["loss/l1", "loss/laplacian"]
    one, two, three = recipe.stage_recipes
    rates = [learning_rate(one.schedule, one.lr, one.warmup, 5, step) for step in range(5)]
    rates += [learning_rate(two.schedule, two.lr, two.warmup, 4, step) for step in range(4)]
    rates += [learning_rate(three.schedule, three.lr, three.warmup, 3, step) for step in range(3)]
    logged = {each.step: each.values["lr"] for each in record.train}
    assert logged[3] == pytest.approx(sum(rates[:3]) / 3)
    assert logged[6] == pytest.approx(sum(rates[3:6]) / 3)
    assert logged[12] == pytest.approx(sum(rates[9:12]) / 3)


def test_the_optimisers_state_goes_on_or_begins_afresh(
    whole: Path, cache: Path, make: Make
) -> None:
    state = final_state(whole)["trainer"]["optimiser"]["state"]
    assert {float(each["step"]) for each in state.values()} == {3.0}
    stages = [{**each, "optimiser": "keep"} for each in STAGES["recipe"]["stages"]]
    kept = make(recipe=STAGES["recipe"] | {"stages": stages})
    assert worker.run(kept, cache) == 0
    state = final_state(kept)["trainer"]["optimiser"]["state"]
    assert {float(each["step"]) for each in state.values()} == {12.0}


@pytest.mark.parametrize("step", [4, 5, 6, 8, 9, 10])
def test_killed_around_a_border_and_resumed_equals_undisturbed(
    whole: Path, tmp_path: Path, cache: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = save_run(tmp_path, 0, STAGES)
    broken_at(step, monkeypatch)
    assert worker.run(broken, cache) == 1
    assert worker.run(broken, cache) == 0
    assert differences(whole, broken) == []
    assert note_steps(read_run(broken)) == [5, 9]


@pytest.mark.parametrize("optimiser", ["adamw", "schedule_free"])
def test_stopped_at_a_border_and_resumed_equals_undisturbed(
    cache: Path, tmp_path: Path, optimiser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = {**STAGES, "recipe": {**STAGES["recipe"], "ema": None, "optimiser": {"kind": optimiser}}}
    whole, broken = save_run(tmp_path / "a", 0, over), save_run(tmp_path / "b", 0, over)
    assert worker.run(whole, cache) == 0
    after = worker.carry_out.__globals__["Training"]._after_step
    stops = [5, 9]

    def stopping(self: Any, *, stopping: bool, saving: bool = False) -> None:
        if stops and self.progress.step == stops[0]:
            stops.pop(0)
            self.stop.ask()
            stopping = True
        after(self, stopping=stopping, saving=saving)

    monkeypatch.setattr("tempo.train.run.training_loop.Training._after_step", stopping)
    for _ in range(2):
        worker.run(broken, cache)
        assert read_run(broken).status is RunStatus.STOPPED
    assert worker.run(broken, cache) == 0
    assert not stops and differences(whole, broken) == []
    assert note_steps(read_run(broken)) == [5, 9]


def test_a_checkpoint_from_before_there_were_stages_goes_on(make: Make, cache: Path) -> None:
    folder = make()
    assert worker.run(folder, cache) == 0
    state = final_state(folder)
    del state["trainer"]["stage"]
    from tempo.train.hardware.preflight import small_trainer

    trainer = small_trainer(config(), torch.device("cpu"))
    trainer.load(state["trainer"])
    assert trainer.state()["stage"] == 0


def test_the_check_before_training_tries_every_stage() -> None:
    assert rehearse(made()) > 0
    stages = [{"budget": {"steps": 1}, "loss": {"kind": "laplacian", "levels": 8}}]
    assert rehearse(config({"recipe": {"stages": stages}})) > 0


def test_other_data_of_a_stage_are_refused_when_they_changed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_run(tmp_path, 0, STAGES)
    broken_at(10, monkeypatch)
    assert worker.run(folder, cache) == 1
    events = folder / "events.jsonl"
    events.write_text(
        events.read_text().replace('"train in stage larger":"', '"train in stage larger":"x')
    )
    assert worker.run(folder, cache) == 1
    finish = read_run(folder).finish
    assert finish is not None and "the data changed" in finish.message
    assert "train in stage larger" in finish.message
