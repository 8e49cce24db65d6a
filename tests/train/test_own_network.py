"""A network of a plug-in in a run: exact resume, its buffers, the checkpoint that is chosen."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tempo.core.errors import PluginError
from tempo.core.jobs import RESUMABLE
from tempo.core.plugins import loading
from tempo.records.reuse import _outdated, reuse_status
from tempo.records.run_record import read_run
from tempo.train.evaluation.methods import of_run
from tempo.train.hardware.preflight import rehearse
from tempo.train.run import run_folder as worker

from .conftest import Make, config, final_state, start
from .test_resume import differences, interrupt_at
from .test_start import child_of, chosen_weights

NET = """
import torch
from torch import nn
from tempo.plugins import MidpointNetwork, register_metric

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(6, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Dropout(0.2), nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, first, second):
        return (first + second) / 2 + self.body(torch.cat((first, second), 1))

class Small(MidpointNetwork):
    def __init__(self, width=4):
        super().__init__(Net(width))

def worst(prediction, target):
    return (prediction - target).abs().flatten(1).amax(1)

register_metric("worst", worst, better="lower", definition="largest difference of a pixel")
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A run of a network with a batch normalisation and a dropout, in a file of its own."""
    path = list(sys.path)
    (tmp_path / "small_net.py").write_text(NET)
    loading.load(loading.find("./small_net.py", tmp_path))
    yield {
        "plugins": [{"name": "small_net", "root": str(tmp_path)}],
        "arch": {"kind": "module", "target": "small_net:Small", "options": {"width": 4}},
        "evaluation": {"metrics": ["psnr", "worst"], "select_by": "worst"},
    }
    loading.forget("small_net")
    sys.path[:] = path


@pytest.mark.parametrize("step", [4, 7])
def test_stopped_at_any_step_ends_in_the_same_bits(
    make: Make, cache: Path, plugin: Any, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Statistics of batches and random drops included."""
    whole, parts = make("whole", **plugin), make("parts", **plugin)
    assert worker.run(whole, cache) == 0
    with monkeypatch.context() as patched:
        interrupt_at(patched, step)
        assert worker.run(parts, cache) == RESUMABLE
    assert worker.run(parts, cache) == 0
    assert read_run(parts).attempts[1].resumed_step == step
    assert differences(whole, parts) == []


def test_it_starts_from_another_run_and_learns_from_it_with_frozen_statistics(
    make: Make, cache: Path, plugin: Any
) -> None:
    """Validations between the steps do not set the frozen part to training."""
    parent = make("parent", **plugin)
    assert worker.run(parent, cache) == 0
    weights = chosen_weights(parent)
    (mean,) = [name for name in weights if name.endswith("running_mean")]
    frozen = mean.removesuffix(".running_mean")
    loss = {"kind": "distillation", "teacher": "first"}
    recipe = {"init": {"from": "first"}, "freeze": [frozen], "loss": loss}
    child = child_of(parent, {**plugin, "recipe": recipe})
    network = {"first": {"config": config(plugin).model_dump(mode="json")}}
    assert rehearse(config({**plugin, "recipe": recipe}), network) > 0
    assert worker.run(child, cache) == 0
    record, now = read_run(child), final_state(child)["trainer"]["model"]
    assert len(record.validations) > 1
    assert {each.topic for each in record.notes} >= {"init", "freeze", "teacher"}
    still = {name for name, each in weights.items() if (now[name] == each).all()}
    assert still == {name for name in weights if name.startswith(f"{frozen}.")}


def test_a_worker_imports_what_the_run_names(make: Make, cache: Path, plugin: Any) -> None:
    folder = make(**plugin)
    process = start(folder, cache)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors.decode()
    record = read_run(folder)
    assert record.model is not None and record.model.parameters == 6 * 4 * 9 + 4 + 8 + 4 * 3 * 9 + 3
    (made,) = [each.environment["plugins"] for each in record.attempts]
    assert set(made) == {"small_net"}
    assert set(made["small_net"]) == {"file", "stamp", "version"}


def test_the_checkpoint_is_the_best_by_the_metric_that_is_asked_for(
    make: Make, cache: Path, plugin: Any
) -> None:
    """Its weights with their statistics give again what the validation measured."""
    folder = make(**plugin)
    assert worker.run(folder, cache) == 0
    record = read_run(folder)
    assert record.test is not None and "worst" in record.test.values
    best = min(record.validations, key=lambda each: each.values["worst"])
    assert record.test.step == best.step
    assert of_run(folder, "own").checkpoints[0]["step"] == best.step


def test_weights_of_a_finished_run_predict_what_the_run_was_judged_by(
    make: Make, cache: Path, plugin: Any
) -> None:
    import torch

    from tempo.data.open_dataset import open_split
    from tempo.spec.study import RunConfig
    from tempo.train.evaluation.clip_evaluation import judge
    from tempo.train.run.stop_request import StopRequest

    folder = make(**plugin)
    assert worker.run(folder, cache) == 0
    config = RunConfig.model_validate(json.loads((folder / "run.json").read_text())["config"])
    split, device = open_split(config.data, "test", cache), torch.device("cpu")
    predict = of_run(folder, "own").load(device)
    found = [
        each.row.values["psnr"] for each in judge(predict, split, range(5), device, StopRequest())
    ]
    test = read_run(folder).test
    assert test is not None
    assert sum(found) / 5 == pytest.approx(test.values["psnr"], abs=1e-4)


def test_a_changed_plugin_makes_its_results_stale_and_no_others(
    make: Make, cache: Path, plugin: Any, tmp_path: Path
) -> None:
    folder, other = make("own", **plugin), make("other")
    assert worker.run(folder, cache) == 0
    assert worker.run(other, cache) == 0
    assert reuse_status(folder).reusable(stale_too=False)
    (tmp_path / "small_net.py").write_text(NET.replace("nn.ReLU(),", "nn.ReLU(),  # as before"))
    loading.load(loading.find("./small_net.py", tmp_path))
    assert not reuse_status(folder).stale, "a comment"
    (tmp_path / "small_net.py").write_text(NET.replace("nn.ReLU()", "nn.GELU()"))
    loading.load(loading.find("./small_net.py", tmp_path))
    assert reuse_status(folder).stale
    assert not reuse_status(other).stale
    assert worker.run(folder, cache) == 0
    assert not reuse_status(folder).stale, "made again"


@pytest.mark.slow
def test_two_processes_train_it(make: Make, cache: Path, plugin: Any) -> None:
    folder = make(**plugin)
    process = start(folder, cache, "--ddp", "2")
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors.decode()
    assert read_run(folder).test is not None


@pytest.mark.parametrize(
    ("made", "now", "outdated"),
    [
        ({"a": "1"}, {"a": "1"}, False),
        ({"a": "1"}, {"a": "2"}, True),
        ({}, {"a": "1"}, False),  # a metric that was added: the run keeps those it has
        ({"a": "1"}, {"a": "1", "b": "1"}, False),
        ({"a": "1", "b": "1"}, {"a": "1"}, False),
        ({"a": "1"}, {"b": "1"}, False),  # another name for the same code
        ({"a": "1"}, {"b": "2"}, True),  # and for other code
    ],
)
def test_what_makes_the_code_of_plugins_outdated(
    made: dict[str, str], now: dict[str, str], outdated: bool
) -> None:
    assert _outdated(made, now) is outdated


def test_a_network_of_the_middle_is_refused_other_times_before_it_is_trained(plugin: Any) -> None:
    data = {"kind": "procedural", "size": [32, 32], "target_times": "any"}
    assert rehearse(config(plugin)) > 0
    with pytest.raises(PluginError, match="knows the middle of two frames only"):
        rehearse(config(plugin | {"data": data}))
