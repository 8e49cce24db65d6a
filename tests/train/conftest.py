"""Small real runs: procedural clips, a tiny network, folders of their own."""

from __future__ import annotations

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
    "arch": {"base_channels": 4, "blocks": [0, 1, 1, 1]},
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
        if isinstance(value, dict) and isinstance(out.get(key), dict) and "kind" not in value:
            value = merged(out[key], value)
        out[key] = value
    return out


def config(over: dict[str, Any] | None = None) -> RunConfig:
    return RunConfig.model_validate(merged(TINY, over or {}))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write `run.json` of a run; `name` keeps two folders of one run apart."""

    def save(name: str = "run", *, seed: int = 0, **over: Any) -> Path:
        made = config(over)
        spec = RunSpec(
            run_id=identity(made, seed), seed=seed, config=made.model_dump(mode="json")
        )
        return Store(tmp_path / name).save_run(spec)

    return save


def start(folder: Path, cache: Path, **env: str) -> subprocess.Popen[bytes]:
    """A worker in a process of its own."""
    import os

    return subprocess.Popen(
        [sys.executable, "-m", "tempo.train", str(folder), "--cache", str(cache)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        stderr=subprocess.PIPE,
    )
