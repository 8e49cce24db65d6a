"""Several processes per run, started by Tempo and by the user's own torchrun."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tempo.records.layout import Store
from tempo.records.run_record import RunRecord, read_run

from .conftest import ROOT, Folder, make_folder

SPEC = """
base: tiny.yaml
study: spread
design: []
factors: {}
baseline: null
references: []
seeds: 1
recipe: {batch: 4, budget: {steps: 20}, precision: fp64}
"""


def outcome(folder: Folder) -> RunRecord:
    store = Store(folder.records)
    (run,) = store.load_plan("spread").distinct_runs
    return read_run(store.run_dir(run.run_id))


@pytest.fixture
def folders(tmp_path: Path, shared_cache: Path) -> list[Folder]:
    made = []
    for name in ("alone", "by_tempo", "by_torchrun"):
        (tmp_path / name).mkdir()
        folder = make_folder(tmp_path / name, shared_cache)
        (folder.path / "spread.yaml").write_text(SPEC)
        made.append(folder)
    return made


@pytest.mark.slow
def test_two_processes_equal_one_however_they_were_started(folders: list[Folder]) -> None:
    alone, by_tempo, by_torchrun = folders
    arguments = ("spread.yaml", "--mlflow", "off")
    done = [
        alone.run("run_experiment.py", *arguments),
        by_tempo.run("run_experiment.py", *arguments, "--ddp", "2"),
        subprocess.run(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
                *("--local-addr=127.0.0.1", "--nproc-per-node=2"),
                *(str(ROOT / "run_experiment.py"), *arguments),
            ],
            cwd=by_torchrun.path,
            env={**by_torchrun.environment(), "GLOO_SOCKET_IFNAME": "lo"},
            capture_output=True,
            text=True,
        ),
    ]
    for each in done:
        assert each.returncode == 0, each.stdout + each.stderr
        assert "Report:" in each.stdout
    records = [outcome(folder) for folder in folders]
    worlds = [record.attempts[-1].environment["world_size"] for record in records]
    assert worlds == [1, 2, 2]
    assert len({record.run_id for record in records}) == 1
    losses = [[event.values["loss"] for event in record.train] for record in records]
    assert losses[1] == losses[2]
    assert losses[1] == pytest.approx(losses[0], rel=1e-10)
