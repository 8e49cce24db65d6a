"""Micro-batches: any division gives the same step; lack of memory halves it and is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tempo.models.blocks import Chain
from tempo.records.run_record import read_run
from tempo.train.hardware.calibration import calibrate
from tempo.train.hardware.fitting_memory import Fitting, FoundBefore
from tempo.train.hardware.process_group import Group
from tempo.train.optim.micro_batches import Backward
from tempo.train.run import run_folder as worker

from .conftest import Make, config, final_state
from .test_resume import differences


def no_room(monkeypatch: pytest.MonkeyPatch, above: int, *, after: int = 0) -> None:
    """Raise as CUDA does whenever a backward pass holds more than `above` clips."""
    original = Backward._part
    calls = 0

    def part(self: Backward, part: Any, *rest: Any) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        if len(part.target) > above and calls > after:
            raise torch.OutOfMemoryError("CUDA out of memory (injected)")
        return original(self, part, *rest)

    monkeypatch.setattr(Backward, "_part", part)


def weights(folder: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = final_state(folder)["trainer"]["model"]
    return state


def test_no_room_at_step_0_ends_in_the_bits_of_accumulation(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accumulated, halved = make("a", runtime={"micro_batch": 2}), make("b")
    assert worker.run(accumulated, cache) == 0
    no_room(monkeypatch, 2)
    assert worker.run(halved, cache) == 0
    assert differences(accumulated, halved) == []
    (note,) = [each for each in read_run(halved).notes if each.topic == "oom"]
    assert note.values == {"from": 4, "to": 2} and note.lasting


def test_no_room_later_changes_rounding_only(
    make: Make, undisturbed: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = {"recipe": {"precision": "fp64"}}
    halved = make(**over)
    no_room(monkeypatch, 1, after=5)
    assert worker.run(halved, cache) == 0
    whole = weights(undisturbed(**over))
    for name, value in weights(halved).items():
        torch.testing.assert_close(value, whole[name], rtol=0, atol=1e-10)
    tried = [each.values for each in read_run(halved).notes if each.topic == "oom"]
    assert tried == [{"from": 4, "to": 2}, {"from": 2, "to": 1}]


def test_the_next_attempt_starts_where_it_fitted(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make()
    with monkeypatch.context() as patched:
        no_room(patched, 2)
        patched.setattr("tempo.train.run.training_loop.Training._validate", lambda self: 1 / 0)
        assert worker.run(folder, cache) == 1
    assert worker.run(folder, cache) == 0
    assert [a.environment["micro_batch"] for a in read_run(folder).attempts] == ["auto", 2]


def test_a_single_clip_that_does_not_fit_is_an_oom_failure(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make()
    no_room(monkeypatch, 0)
    assert worker.run(folder, cache) == 1
    finish = read_run(folder).finish
    assert finish is not None and finish.failure == "oom" and "smaller crop" in finish.message


def test_a_chosen_micro_batch_is_not_changed(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(runtime={"micro_batch": 3})
    no_room(monkeypatch, 2)
    assert worker.run(folder, cache) == 1
    record = read_run(folder)
    assert record.finish is not None and record.finish.failure == "oom"
    assert not [each for each in record.notes if each.topic == "oom"]


@pytest.mark.parametrize("micro", [1, 3])
def test_any_division_gives_the_same_training(
    make: Make, undisturbed: Make, cache: Path, micro: int
) -> None:
    over: dict[str, Any] = {"recipe": {"precision": "fp64"}}
    folder = make(**over, runtime={"micro_batch": micro})
    assert worker.run(folder, cache) == 0
    whole = weights(undisturbed(**over))
    for name, value in weights(folder).items():
        torch.testing.assert_close(value, whole[name], rtol=0, atol=1e-10)


def test_warming_up_moves_neither_weights_nor_random_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tempo.train.hardware.preflight import random_batch, small_trainer

    from .conftest import config

    trainer = small_trainer(config(), torch.device("cpu"))
    before = {name: each.clone() for name, each in trainer.model.state_dict().items()}
    streams = torch.get_rng_state()
    told: list[tuple[int, int]] = []
    trainer.backward.tell = lambda tried, halved: told.append((tried, halved))
    trainer.backward.micro = 4
    no_room(monkeypatch, 1)
    trainer.backward.warm_up(random_batch(4))
    assert told == [(4, 2), (2, 1)] and trainer.backward.micro == 1
    assert torch.equal(torch.get_rng_state(), streams)
    after = trainer.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    parameters: list[nn.Parameter] = list(trainer.model.parameters())
    assert all(each.grad is None for each in parameters)


def no_room_without_recomputing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise as CUDA does in every backward pass of a network that keeps its activations."""
    original = Backward._part

    def part(self: Backward, *rest: Any) -> dict[str, Tensor]:
        chains = [each for each in self.model.modules() if isinstance(each, Chain)]
        if not all(each.checkpointing for each in chains):
            raise torch.OutOfMemoryError("CUDA out of memory (injected)")
        return original(self, *rest)

    monkeypatch.setattr(Backward, "_part", part)


def test_checkpointing_auto_comes_before_a_smaller_micro_batch(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, recomputed = make("a"), make("b", arch={"checkpointing": "auto"})
    assert worker.run(kept, cache) == 0
    with monkeypatch.context() as patched:
        no_room_without_recomputing(patched)
        assert worker.run(recomputed, cache) == 0
    # Recomputing changes no bit.
    assert differences(kept, recomputed) == []
    topics = [each.topic for each in read_run(recomputed).notes]
    assert topics.count("checkpointing") == 1
    assert "oom" not in topics


def test_checkpointing_auto_keeps_activations_where_they_fit(make: Make, cache: Path) -> None:
    folder = make(arch={"checkpointing": "auto"})
    assert worker.run(folder, cache) == 0
    assert "checkpointing" not in [each.topic for each in read_run(folder).notes]


class OnGpu(FoundBefore):
    """Takes part as if this machine had a GPU."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._asked = True


def test_what_fits_is_found_once_for_all_runs_of_a_kind(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempo.train.run.attempt.FoundBefore", OnGpu)
    usual = config()
    other = usual.model_copy(update={"recipe": usual.recipe.model_copy(update={"lr": 1e-5})})
    kind = OnGpu(usual, cache, torch.device("cpu"), Group())
    assert kind.read() is None
    assert OnGpu(other, cache, torch.device("cpu"), Group()).path == kind.path
    wider = usual.model_copy(update={"recipe": usual.recipe.model_copy(update={"batch": 6})})
    assert OnGpu(wider, cache, torch.device("cpu"), Group()).path != kind.path
    kind.write(Fitting(2))
    folder = make()
    assert worker.run(folder, cache) == 0
    assert [a.environment["micro_batch"] for a in read_run(folder).attempts] == [2]
    accumulated = make("a", runtime={"micro_batch": 2})
    assert worker.run(accumulated, cache) == 0
    assert differences(accumulated, folder) == []


@pytest.mark.parametrize("finder", ["run", "price"])
def test_what_fits_is_found_by_the_first_of_a_kind_and_the_next_run_starts_with_it(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finder: str
) -> None:
    """Compiling makes a run try its batch before its first step, as every run on a GPU does."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(cache))
    monkeypatch.setattr("tempo.train.run.attempt.FoundBefore", OnGpu)
    monkeypatch.setattr("tempo.train.hardware.calibration.FoundBefore", OnGpu)
    monkeypatch.setattr(torch, "compile", lambda model, mode: model)
    no_room(monkeypatch, 2)
    compiling = {"runtime": {"compile": "default"}}
    if finder == "price":
        assert calibrate(config(compiling), cache).micro_batch == 2
    else:
        first = make("first", **compiling)
        assert worker.run(first, cache) == 0
        (note,) = [each for each in read_run(first).notes if each.topic == "oom"]
        assert note.values == {"from": 4, "to": 2}
    (kept,) = (cache / "memory").iterdir()
    assert json.loads(kept.read_text()) == {"micro": 2, "checkpointing": False}
    following = make("following", **compiling, seed=1)
    assert worker.run(following, cache) == 0
    record = read_run(following)
    assert [attempt.environment["micro_batch"] for attempt in record.attempts] == [2]
    assert "oom" not in [each.topic for each in record.notes]


@pytest.mark.parametrize("damage", ["", "[]", '{"micro": 0, "checkpointing": false}', "{}"])
def test_a_damaged_note_of_what_fits_is_passed_over(cache: Path, damage: str) -> None:
    kind = OnGpu(config(), cache / "damaged", torch.device("cpu"), Group())
    kind.write(Fitting(3, checkpointing=True))
    assert kind.read() == Fitting(3, checkpointing=True)
    kind.path.write_text(damage)
    assert kind.read() is None


def test_a_cpu_remembers_nothing(tmp_path: Path) -> None:
    kind = FoundBefore(config(), tmp_path, torch.device("cpu"), Group())
    kind.write(Fitting(3))
    assert kind.read() is None
    assert list(tmp_path.iterdir()) == []
