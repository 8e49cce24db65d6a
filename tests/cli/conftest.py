"""Running the commands as a user would: real processes, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TINY = """
study: tiny
question: Does a smaller network do as well?
arch: {base_channels: 4, blocks: [1, 1, 1, 1]}
data:
  kind: procedural
  size: [40, 40]
  motion: [1, 2]
  train_clips: 16
  val_clips: 4
  test_clips: 6
recipe: {lr: 1e-3, warmup: 2, batch: 2, crop: 24, budget: {steps: 60}}
evaluation: {val_every: 20, gallery: 2}
runtime: {device: cpu, checkpoint_every: 10, log_every: 5}
factors:
  se: {path: arch.se, levels: {on: squeeze_excite, off: none}}
design:
  - {kind: factorial, factors: [se]}
baseline: se=on
seeds: 2
"""


@dataclass(frozen=True)
class Folder:
    """A folder to run commands in, with its own records, reports and cache."""

    path: Path

    @property
    def records(self) -> Path:
        return self.path / "records"

    def argv(self, script: str, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / script), *arguments]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "COLUMNS": "160", "PYTHONPATH": str(ROOT)}

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(script, *arguments),
            cwd=self.path,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=280,
        )

    def start(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(script, *arguments),
            cwd=self.path,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered clips are the same for every study of a session."""
    return tmp_path_factory.mktemp("cache")


def make_folder(path: Path, cache: Path) -> Folder:
    (path / "tiny.yaml").write_text(TINY)
    (path / "cache").symlink_to(cache)
    return Folder(path)


@pytest.fixture
def folder(tmp_path: Path, shared_cache: Path) -> Folder:
    return make_folder(tmp_path, shared_cache)


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, shared_cache: Path
) -> tuple[Folder, subprocess.CompletedProcess[str]]:
    """The tiny study, carried out undisturbed once; and what its command printed."""
    folder = make_folder(tmp_path_factory.mktemp("undisturbed"), shared_cache)
    return folder, folder.run("run_experiment.py", "tiny.yaml")


@pytest.fixture
def without_backbones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A folder of one's own, in which no weights of perceptual metrics are given."""
    from tempo.metrics.metric_weights import use_backbones

    monkeypatch.chdir(tmp_path)
    for name in ("ALEXNET", "VGG16", "PWCNET"):
        monkeypatch.delenv(f"TEMPO_BACKBONE_{name}", raising=False)
    yield
    use_backbones({})
