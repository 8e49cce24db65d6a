"""Whatever happens to its processes, a study is carried out once and as if nothing had happened."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from pathlib import Path

import psutil
import pytest

from .chaos import Chaos, Study, carry_out

SPEC = """
study: chaos
question: Does it matter who carries out a run?
arch: {base_channels: 4, blocks: [0, 0, 1, 1], decoder: {kind: refined, refine: [0, 0, 1]}}
data:
  kind: procedural
  size: [32, 32]
  motion: [0, 2]
  train_clips: 12
  val_clips: 3
  test_clips: 5
recipe: {lr: 1e-3, warmup: 2, batch: 4, crop: 16, budget: {steps: 80}}
evaluation: {val_every: 40, gallery: 1}
runtime: {device: cpu, checkpoint_every: 8, log_every: 8}
factors:
  se: {path: arch.se, levels: {on: squeeze_excite, off: none}}
design:
  - {kind: factorial, factors: [se]}
baseline: se=on
references: []
seeds: 6
"""


def study(folder: Path, cache: Path) -> Study:
    folder.mkdir()
    (folder / "chaos.yaml").write_text(SPEC)
    return Study(folder, "chaos.yaml", ("--slots", "2", "--cache", str(cache)))


def abandoned() -> set[str]:
    """Shared memory that no living process has mapped."""
    mapped = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            mapped |= {Path(each.path).name for each in process.memory_maps(grouped=True)}
    return {path.name for path in Path("/dev/shm").glob("*")} - mapped


@pytest.mark.slow
@pytest.mark.timeout(1100)
def test_killed_and_frozen_processes_change_nothing(tmp_path: Path) -> None:
    before = abandoned()
    calm = study(tmp_path / "calm", tmp_path / "cache")
    assert calm.start().wait(timeout=500) == 0
    wild = study(tmp_path / "wild", tmp_path / "cache")
    chaos = Chaos(wild, random.Random(7), every=30)
    carry_out(wild, chaos, seconds=500)
    assert set(chaos.blows) == {
        f"{blow} {who}" for blow in ("froze", "killed") for who in ("worker", "scheduler")
    }
    assert len(wild.runs()) == 12 and wild.tables() == calm.tables()
    for run in wild.runs():
        spans = wild.spans(run)
        assert spans[0][0] == 0 and spans[-1][1] == 80
        assert all(one[1] == next_[0] for one, next_ in itertools.pairwise(spans)), spans
    give_up = time.monotonic() + 30
    while left := list(wild.processes()):
        assert time.monotonic() < give_up, left
        time.sleep(0.2)
    while abandoned() - before:
        assert time.monotonic() < give_up, abandoned() - before
        time.sleep(0.2)
