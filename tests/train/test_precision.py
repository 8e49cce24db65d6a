"""Number formats: what is asked for is what is computed, and clipping means one thing in all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tempo.core.errors import MissingError
from tempo.records.run_record import read_run
from tempo.train.hardware.device import pick_device, precision
from tempo.train.hardware.preflight import random_batch, small_trainer
from tempo.train.optim.optimisers import clip_gradients
from tempo.train.run import run_folder as worker

from .conftest import Make, config

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_clipping_acts_alike_in_every_precision(name: str) -> None:
    """Gradients of one batch agree across precisions, before clipping and after."""
    limits = {"clipped": 1e-3, "free": None}
    norms = {}
    for label, limit in limits.items():
        recipe = {"precision": name, "grad_clip": limit}
        trainer = small_trainer(config({"recipe": recipe}), CPU)
        seen: list[float] = []
        step = trainer.optimiser.step

        def spy(*args: object, **kwargs: object) -> object:
            grads = [p.grad for p in trainer.model.parameters() if p.grad is not None]  # noqa: B023
            seen.append(float(nn.utils.get_total_norm(grads)))  # noqa: B023
            return step(*args, **kwargs)  # type: ignore[arg-type]  # noqa: B023

        trainer.optimiser.step = spy  # type: ignore[method-assign,assignment]
        done = trainer.advance(random_batch(1), 0)
        assert done.applied and done.clipped is (limit is not None)
        norms[label] = (done.grad_norm, seen[0])
    assert norms["clipped"][0] == norms["free"][0]
    assert norms["clipped"][1] == pytest.approx(1e-3, rel=1e-3)
    assert norms["free"][1] == pytest.approx(norms["free"][0], rel=1e-5)
    exact = small_trainer(config({"recipe": {"precision": "fp64"}}), CPU).advance(
        random_batch(1), 0
    )
    assert norms["free"][0] == pytest.approx(exact.grad_norm, rel=0.05)


def test_clipping_agrees_with_torch() -> None:
    ours = [nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(5))]
    theirs = [nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(5))]
    for a, b in zip(ours, theirs, strict=True):
        a.grad = torch.randn(a.shape)
        b.grad = a.grad.clone()
    norm = clip_gradients(ours, 0.5)
    assert norm == nn.utils.clip_grad_norm_(theirs, 0.5)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_fp16_overflow_lowers_the_scale_and_is_no_strike() -> None:
    trainer = small_trainer(config({"recipe": {"precision": "fp16"}}), CPU)
    trainer.scaler.scale(torch.zeros(()))  # the scaler makes its scale on first use
    trainer.scaler.update(2.0**40)
    before = {name: each.clone() for name, each in trainer.model.state_dict().items()}
    done = trainer.advance(random_batch(1), 0)
    assert not done.applied and done.excused
    assert trainer.scaler.get_scale() < 2.0**40
    after = trainer.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_fp16_trains_and_its_scaler_is_part_of_the_state() -> None:
    trainer = small_trainer(config({"recipe": {"precision": "fp16"}}), CPU)
    assert trainer.advance(random_batch(1), 0).applied
    assert trainer.state()["scaler"]["scale"] == trainer.scaler.get_scale()


def test_bf16_runs_the_network_in_bf16() -> None:
    trainer = small_trainer(config({"recipe": {"precision": "bf16"}}), CPU)
    seen = set()
    for module in trainer.model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, i, out: seen.add(out.dtype))
    trainer.advance(random_batch(1), 0)
    assert seen == {torch.bfloat16}


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_what_a_device_cannot_do_is_an_error_not_fp32(make: Make, cache: Path) -> None:
    with pytest.raises(MissingError, match="Ampere"):
        precision("tf32", CPU)
    folder = make(recipe={"precision": "tf32"})
    assert worker.run(folder, cache) == 1
    finish = read_run(folder).finish
    assert finish is not None and "tf32" in finish.message
    with pytest.raises(MissingError, match="no CUDA device"):
        pick_device(config({"runtime": {"device": "cuda"}}).runtime)
