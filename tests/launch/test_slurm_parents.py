"""Runs that take other runs' weights, on a real Slurm: one command submits them all and leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo.records.run_record import read_run
from tests.tiny_study import TINY
from tests.workflow.test_adaptive_study import Place

from .slurm_cluster import Cluster, wait_until

QUEUE_PATIENCE = 200.0

FAMILY = (
    f"\nstudy: family\n{TINY}"
    + """\
variants:
  late: {set: {recipe: {init: {from: child}}}}
  child: {set: {recipe: {init: {from: parent}, freeze: [encoder]}}}
  parent: {}
  orphan: {set: {recipe: {init: {from: broken}}}}
  broken:
    set:
      recipe:
        lr: 1000
        warmup: 0
        budget: {steps: 12}
        guard: {policy: fail, strikes: 1, divergence: 2, window: 5}
resources: {cpus: 2, mem: 1G}
"""
)
"""`broken` fails, as its learning rate makes it diverge."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_children_wait_in_the_queue_for_their_parents(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "config" / "tempo").mkdir(parents=True)
    (tmp_path / "config" / "tempo" / "slurm.yaml").write_text("poll: 0.5\n")
    env = {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "TEMPO_LEDGER": f"sqlite:///{tmp_path / 'ledger.db'}",
    }
    place = Place(tmp_path, FAMILY)
    assert place.run("launcher=slurm", **env).splitlines()[-1] == "ending: submitted"
    wait_until(lambda: cluster.command("squeue", "-h") == "", "the queue", QUEUE_PATIENCE)
    runs = {run.variant: run for run in place.store.load_plan("family").runs}
    ends = {name: read_run(place.store.run_dir(run.run_id)) for name, run in runs.items()}
    assert {name: str(each.status) for name, each in ends.items()} == {
        "parent": "complete",
        "child": "complete",
        "late": "complete",
        "broken": "failed",
        "orphan": "planned",
    }
    assert ends["parent"].attempts[-1].ended <= ends["child"].attempts[0].started
    assert ends["child"].attempts[-1].ended <= ends["late"].attempts[0].started
    (log,) = (ends["orphan"].folder / "attempts").glob("*.log")
    assert "it builds on broken" in log.read_text() and "which failed" in log.read_text()
