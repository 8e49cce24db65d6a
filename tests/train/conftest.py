"""Small real runs: procedural clips, a tiny network, folders of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tempo.core.records import RunSpec
from tempo.records.layout import Store
from tempo.spec.study import RunConfig, identity

TINY: dict[str, Any] = {
    "arch": {
        "base_channels": 4,
        "blocks": [0, 0, 1, 1],
        "decoder": {"kind": "refined", "refine": [0, 0, 1]},
    },
    "data": {
        "kind": "procedural",
        "size": [32, 32],
        "motion": [0.0, 2.0],
        "train_clips": 12,
        "val_clips": 3,
        "test_clips": 5,
    },
    "recipe": {"lr": 1e-3, "warmup": 2, "batch": 4, "crop": 16, "budget": {"steps": 12}},
    "evaluation": {"val_every": 5, "gallery": 2},
    "runtime": {"device": "cpu", "log_every": 3, "checkpoint_every": 4},
}

Make = Callable[..., Path]


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with nested values replaced by `over`."""
    out = dict(base)
    for key, value in over.items():
        nested = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], value) if nested and "kind" not in value else value
    return out


def config(over: dict[str, Any] | None = None) -> RunConfig:
    return RunConfig.model_validate(merged(TINY, over or {}))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def save_run(root: Path, seed: int, over: dict[str, Any]) -> Path:
    made = config(over)
    spec = RunSpec(run_id=identity(made, seed), seed=seed, config=made.model_dump(mode="json"))
    return Store(root).save_run(spec)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write `run.json` of a run; `name` keeps two folders of one run apart."""

    def save(name: str = "run", *, seed: int = 0, **over: Any) -> Path:
        return save_run(tmp_path / name, seed, over)

    return save


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Make:
    """The folder of a finished run that nothing disturbed, carried out once a session."""
    done: dict[str, Path] = {}

    def finished(**over: Any) -> Path:
        from tempo.train.run import run_folder as worker

        key = str(over)
        if key not in done:
            done[key] = save_run(tmp_path_factory.mktemp("undisturbed"), 0, over)
            assert worker.run(done[key], cache) == 0
        return done[key]

    return finished


def start(folder: Path, cache: Path, *options: str) -> subprocess.Popen[bytes]:
    """A worker in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "tempo.worker",
        "run",
        str(folder),
        "--cache",
        str(cache),
        *options,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


def broken_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the next run of this process once, when it has done `step` steps."""
    from tempo.train.run.training_loop import Training

    original = Training._step
    seen: list[int] = []

    def die(self: Any, batch: Any) -> Any:
        if self.progress.step == step and not seen:
            seen.append(step)
            raise KeyboardInterrupt
        return original(self, batch)

    monkeypatch.setattr(Training, "_step", die)


def final_state(folder: Path) -> dict[str, Any]:
    """The newest checkpoint of a run."""
    import torch

    newest = sorted((folder / "checkpoints").glob("step-*.pt"))[-1]
    state: dict[str, Any] = torch.load(newest, weights_only=True)
    return state
