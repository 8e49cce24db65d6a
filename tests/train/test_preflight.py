"""What is known before training starts."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
import torch

from tempo.core.errors import MissingError
from tempo.spec.presets import PRESETS
from tempo.train.hardware.preflight import missing, random_batch, rehearse, small_trainer
from tempo.train.optim.optimisers import build_optimiser, parameter_groups

from .conftest import config


def test_a_machine_that_has_everything() -> None:
    assert missing(config()) == []


def test_everything_missing_is_said_at_once(tmp_path: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    wanted = config(
        {
            "data": {"kind": "vimeo90k", "root": str(tmp_path / "nowhere")},
            "runtime": {"device": "cuda"},
        }
    )
    problems = missing(wanted)
    assert len(problems) == 2
    assert "nowhere" in problems[0] and "CUDA" in problems[1]


def test_a_precision_the_device_lacks() -> None:
    (problem,) = missing(config({"recipe": {"precision": "tf32"}}))
    assert "use fp32" in problem


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_preset_rehearses(preset: str) -> None:
    arch = {**PRESETS.get(preset), "base_channels": 8}
    made = config()
    rehearse(type(made).model_validate({**made.model_dump(mode="json"), "arch": arch}))


def test_nothing_is_compiled_before_the_study_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("compiled")

    monkeypatch.setattr(torch, "compile", refuse)
    assert rehearse(config({"runtime": {"compile": "default"}})) > 0


def test_the_full_size_network_trains_a_step() -> None:
    made = config()
    full = type(made).model_validate({**made.model_dump(mode="json"), "arch": {}})
    assert full.arch.base_channels == 64
    trainer = small_trainer(full, torch.device("cpu"))
    done = trainer.advance(random_batch(1, side=64), 0)
    assert done.applied and done.loss > 0 and done.grad_norm > 0


def test_wrong_wiring_comes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempo.models.family.TempoNet.forward", lambda self, *a: a[0])
    with pytest.raises(RuntimeError):
        rehearse(config())


def test_norms_biases_and_scales_do_not_decay() -> None:
    trainer = small_trainer(config(), torch.device("cpu"))
    decayed, kept = parameter_groups(trainer.model, 0.1)
    names = {id(each): name for name, each in trainer.model.named_parameters()}
    assert decayed["weight_decay"] == 0.1 and kept["weight_decay"] == 0.0
    free = [names[id(each)] for each in kept["params"]]
    assert all("bias" in n or "norm" in n or "scale" in n or "weight" in n for n in free)
    assert all(each.ndim >= 2 for each in decayed["params"])
    assert len(decayed["params"]) + len(kept["params"]) == len(names)


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "schedulefree":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    made = config({"recipe": {"optimiser": {"kind": "schedule_free"}}})
    with pytest.raises(MissingError, match="pip install schedulefree"):
        build_optimiser(made.recipe.optimiser, torch.nn.Linear(1, 1), 1e-3)
