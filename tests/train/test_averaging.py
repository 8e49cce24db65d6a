"""Averaged weights and which checkpoint is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tempo.records.run_record import read_run
from tempo.train.evaluation.clip_evaluation import judge
from tempo.train.optim.averaging import Ema, mean_weights, with_weights
from tempo.train.run import run_folder as worker
from tempo.train.run.stop_request import StopRequest

from .conftest import Make, final_state
from .test_resume import differences, interrupt_at


def test_ema_is_its_recurrence() -> None:
    model = nn.Linear(2, 1, bias=False)
    ema = Ema(model, 0.9)
    mean = model.weight.detach().clone()
    for step in range(1, 40):
        with torch.no_grad():
            model.weight.add_(torch.full_like(model.weight, 0.1 * step))
        decay = min(0.9, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * model.weight.detach()
        ema.update(step)
    weights = ema.weights()
    assert weights is not None
    torch.testing.assert_close(weights["weight"], mean)


def test_borrowed_weights_are_given_back() -> None:
    model = nn.Linear(2, 1)
    kept = model.weight.detach().clone()
    with with_weights(model, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}):
        assert torch.equal(model.weight, torch.ones(1, 2))
    assert torch.equal(model.weight, kept)


def test_the_mean_of_weights() -> None:
    states = [{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 6.0])}]
    torch.testing.assert_close(mean_weights(states)["w"], torch.tensor([2.0, 4.0]))


def test_ema_is_what_every_evaluation_uses_and_resumes_exactly(
    make: Make, undisturbed: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over: dict[str, Any] = {"recipe": {"ema": 0.9}}
    whole, parts = undisturbed(**over), make(**over)
    with monkeypatch.context() as patched:
        interrupt_at(patched, 7)
        worker.run(parts, cache)
    assert worker.run(parts, cache) == 0
    assert differences(whole, parts) == []
    mine, plain = final_state(whole)["trainer"], final_state(undisturbed())["trainer"]
    assert all(torch.equal(mine["model"][name], plain["model"][name]) for name in mine["model"])
    averaged, trained = read_run(whole), read_run(undisturbed())
    assert all(
        a.values != b.values for a, b in zip(averaged.validations, trained.validations, strict=True)
    )
    assert averaged.test is not None and trained.test is not None
    assert averaged.test.values != trained.test.values


@pytest.mark.parametrize("select", ["last", "average", "ensemble"])
def test_the_selection_judges_what_it_says(
    make: Make, undisturbed: Make, cache: Path, select: str
) -> None:
    folder = make(evaluation={"select": select, "over": 2})
    assert worker.run(folder, cache) == 0
    test, plain = read_run(folder).test, read_run(undisturbed()).test
    assert test is not None and plain is not None
    assert test.step == 12
    assert test.checkpoint == (select if select == "last" else f"{select} of 2")
    kept = sorted(int(p.stem.split("-")[1]) for p in (folder / "checkpoints").glob("*.pt"))
    assert set(kept) == {10, 12}
    assert test.values["psnr"] == pytest.approx(_expected(folder, cache, select), abs=1e-4)


def _expected(folder: Path, cache: Path, select: str) -> float:
    """The same from the checkpoint files, by other means."""
    from tempo.data.open_dataset import open_split
    from tempo.models.family import build_model

    from .conftest import config

    made = config()
    files = sorted((folder / "checkpoints").glob("*.pt"))
    states = [torch.load(f, weights_only=True)["trainer"]["model"] for f in files]
    if select == "last":
        states = states[-1:]
    if select == "average":
        states = [{name: sum(s[name] for s in states) / len(states) for name in states[0]}]
    models = []
    for state in states:
        models.append(build_model(made.arch, 0))
        models[-1].load_state_dict(state)
    split = open_split(made.data, "test", cache)
    rows = judge(
        lambda f, t, m: torch.stack([model(f, t, m) for model in models]).mean(0),
        split,
        range(len(split)),
        torch.device("cpu"),
        StopRequest(),
    )
    values = [each.row.values["psnr"] for each in rows]
    return sum(values) / len(values)


def test_the_schedule_free_average_is_judged_and_resumes_exactly(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("schedulefree")
    over: dict[str, Any] = {
        "recipe": {"optimiser": {"kind": "schedule_free"}, "schedule": {"kind": "constant"}}
    }
    whole, parts = make("whole", **over), make("parts", **over)
    assert worker.run(whole, cache) == 0
    with monkeypatch.context() as patched:
        interrupt_at(patched, 7)
        worker.run(parts, cache)
    assert worker.run(parts, cache) == 0
    assert differences(whole, parts) == []
    state = final_state(whole)["trainer"]
    assert any(not torch.equal(state["averaged"][n], state["model"][n]) for n in state["model"])
