"""A search whose trials are jobs of a real Slurm, with its ledger and its storage in PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tempo.core.records import RunStatus
from tempo.ledger.open import open_ledger
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.records.search_record import load_search
from tests.cli.conftest import TINY
from tests.postgres import postgres

from .slurm_cluster import Cluster

ROOT = Path(__file__).parents[2]
STEPS = 20

SEARCH = (
    TINY.split("factors:")[0]
    .replace("study: tiny", "study: hunt")
    .replace("steps: 60", "steps: 20")
    + """
factors:
  lr: {path: recipe.lr, range: {low: 1e-4, high: 1e-1, log: true}}
search:
  budget: {trials: 6}
  sampler: {kind: tpe, startup: 2}
  pruner: none
  confirm: 1
references: [average]
seeds: 1
resources: {cpus: 2, mem: 1G}
budget: {jobs: 3}
"""
)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_search_on_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    with postgres() as url:
        _search(cluster, tmp_path, url)


def _search(cluster: Cluster, tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / "hunt.yaml").write_text(SEARCH)
    (tmp_path / "config" / "tempo").mkdir(parents=True)
    (tmp_path / "config" / "tempo" / "slurm.yaml").write_text("poll: 0.5\n")
    argv = [sys.executable, str(ROOT / "run_experiment.py"), "hunt.yaml", "--launcher", "slurm"]
    done = subprocess.run(
        [*argv, "--mlflow", "off", "--set", f"search.storage={postgres_url}"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "TEMPO_LEDGER": postgres_url,
        },
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(tmp_path / "records")
    summary = load_search(store, "hunt")
    assert [trial.state for trial in summary.trials] == ["complete"] * 6
    assert summary.over and len(summary.confirmed) == 1
    ledger = open_ledger(postgres_url, store.root)
    for run in store.load_plan("hunt").distinct_runs:
        record = read_run(store.run_dir(run.run_id))
        assert record.status is RunStatus.COMPLETE
        assert len(record.attempts) == 1
        if run.seed is not None:
            (span,) = ledger.spans(run.run_id)
            assert (span.first, span.last) == (0, STEPS)
    assert cluster.command("squeue", "-h", "-o", "%i") == ""
    # Later trials are submitted as earlier ones end, not all at once.
    assert len(list((tmp_path / "records" / "slurm").glob("hunt-*/script.sh"))) >= 3
