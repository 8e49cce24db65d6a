"""Steps that go wrong: left out, rolled back, or the end, as the recipe says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tempo.core.records import RunStatus
from tempo.records.run_record import read_run
from tempo.spec.recipe import Guard as Options
from tempo.train.optim.guard import Guard, Verdict
from tempo.train.optim.micro_batches import Backward
from tempo.train.run import run_folder as worker

from .conftest import Make, final_state
from .test_resume import differences, interrupt_at


def poison(
    monkeypatch: pytest.MonkeyPatch, steps: set[int], value: float = math.nan, times: int = 10**6
) -> None:
    """Spoil the gradients and the loss of some step indices, `times` times in all."""
    original = Backward.run
    left = times

    def run(self: Backward, batch: Any, progress: float) -> dict[str, Tensor]:
        nonlocal left
        sums = original(self, batch, progress)
        step = round(progress * 12)
        if step in steps and left > 0:
            left -= 1
            for parameter in self.model.parameters():
                if parameter.grad is not None:
                    parameter.grad.mul_(value)
            sums["loss"] = sums["loss"] * value
        return sums

    monkeypatch.setattr(Backward, "run", run)


def test_a_single_bad_step_is_left_out_and_kept_as_evidence(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make()
    poison(monkeypatch, {6})
    assert worker.run(folder, cache) == 0
    record = read_run(folder)
    assert len(record.attempts) == 1
    (note,) = [each for each in record.notes if each.topic == "skipped"]
    assert note.step == 7 and "not finite" in note.message and note.path is not None
    evidence = torch.load(folder / note.path, weights_only=True)
    assert len(evidence["indices"]) == 4 and math.isnan(evidence["loss"])
    assert {"lr", "terms", "rng", "norms"} <= set(evidence)
    assert all(math.isnan(norm) or norm == 0 for norm in evidence["norms"].values())
    report = next(each for each in record.train if each.step == 9)
    assert report.values["skipped"] == pytest.approx(1 / 3)
    assert math.isfinite(report.values["loss"])


def test_bad_steps_in_a_row_roll_back_with_a_lower_rate(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = {"policy": "rollback", "strikes": 2, "lr_factor": 0.25}
    folder = make(recipe={"guard": guard})
    poison(monkeypatch, {6, 7}, times=2)
    assert worker.run(folder, cache) == 0
    record = read_run(folder)
    assert [each.resumed_step for each in record.attempts] == [0, 5]
    assert [each.topic for each in record.notes if each.lasting] == ["rollback"]
    assert record.status is RunStatus.COMPLETE
    assert record.attempts[1].environment["lr_scale"] == 0.25
    lower = [each.values["lr"] for each in record.train if each.step == 12]
    whole = make("whole", recipe={"guard": guard})
    assert worker.run(whole, cache) == 0
    full = [each.values["lr"] for each in read_run(whole).train if each.step == 12]
    assert lower[0] == pytest.approx(0.25 * full[0])


def test_a_rollback_survives_a_stop(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = {"recipe": {"guard": {"strikes": 1}}}
    whole, parts = make("whole", **over), make("parts", **over)
    for folder in (whole, parts):
        with monkeypatch.context() as patched:
            poison(patched, {6}, times=1)
            if folder is parts:
                interrupt_at(patched, 10)
            worker.run(folder, cache)
    assert worker.run(parts, cache) == 0
    assert read_run(parts).attempts[-1].environment["lr_scale"] == 0.5
    assert differences(whole, parts) == []


def test_too_many_rollbacks_end_the_run(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(recipe={"guard": {"strikes": 2, "rollbacks": 1}})
    poison(monkeypatch, {6, 7})
    assert worker.run(folder, cache) == 1
    record = read_run(folder)
    assert len(record.attempts) == 2
    assert record.finish is not None and record.finish.failure == "non_finite"
    assert "after 1 roll-backs" in record.finish.message


@pytest.mark.parametrize(("policy", "code"), [("fail", 1), ("skip", 0)])
def test_the_other_policies(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch, policy: str, code: int
) -> None:
    folder = make(recipe={"guard": {"policy": policy, "strikes": 2}})
    poison(monkeypatch, {3, 4, 5, 6})
    assert worker.run(folder, cache) == code
    record = read_run(folder)
    assert len(record.attempts) == 1
    skips = [each.step for each in record.notes if each.topic == "skipped"]
    assert skips == ([4, 5] if policy == "fail" else [4, 5, 6, 7])
    if policy == "fail":
        assert record.finish is not None and record.finish.failure == "non_finite"


def test_a_diverging_loss_is_left_out(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(recipe={"guard": {"divergence": 50.0, "window": 5}})
    poison(monkeypatch, {8}, value=1e6)
    assert worker.run(folder, cache) == 0
    (note,) = [each for each in read_run(folder).notes if each.topic == "skipped"]
    assert note.step == 9 and "is above" in note.message


def test_weights_do_not_move_in_a_step_that_is_left_out(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(recipe={"budget": {"steps": 1}, "guard": {"policy": "skip"}})
    poison(monkeypatch, {0})
    worker.run(folder, cache)
    state = final_state(folder)["trainer"]
    from tempo.models.family import build_model

    from .conftest import config

    fresh = build_model(config().arch, 0).state_dict()
    assert all(torch.equal(state["model"][name], fresh[name]) for name in fresh)


def test_strikes_count_in_a_row_only() -> None:
    guard = Guard(Options(strikes=2))
    assert guard.judge(1.0, applied=False) is Verdict.SKIPPED
    assert guard.judge(1.0, applied=True) is Verdict.SOUND
    assert guard.judge(1.0, applied=False) is Verdict.SKIPPED
    assert guard.judge(1.0, applied=False) is Verdict.ACT


def test_the_scalers_own_skips_are_no_strikes() -> None:
    guard = Guard(Options(strikes=1))
    for _ in range(5):
        assert guard.judge(math.nan, applied=False, excused=True) is Verdict.SKIPPED


def test_the_ceiling_is_a_multiple_of_the_running_median() -> None:
    guard = Guard(Options(divergence=3.0, window=5))
    for loss in (1.0, 2.0, 3.0, 4.0):
        guard.judge(loss, applied=True)
    assert guard.ceiling == math.inf
    guard.judge(5.0, applied=True)
    assert guard.ceiling == 9.0
    copy = Guard(guard.options)
    copy.load(guard.state())
    assert copy.ceiling == 9.0
