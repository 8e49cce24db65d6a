"""Adaptive seeds on a real Slurm: each command submits the seeds that are needed and leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workflow.test_adaptive_study import SMALL, Place

from .slurm_cluster import Cluster, wait_until

QUEUE_PATIENCE = 200.0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_command_looks_and_submits_what_follows(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "config" / "tempo").mkdir(parents=True)
    (tmp_path / "config" / "tempo" / "slurm.yaml").write_text("poll: 0.5\n")
    env = {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "TEMPO_LEDGER": f"sqlite:///{tmp_path / 'ledger.db'}",
    }
    place = Place(tmp_path, SMALL)
    endings = []
    for _ in range(3):
        said = place.run("launcher=slurm", **env)
        endings.append(said.splitlines()[-1])
        wait_until(lambda: cluster.command("squeue", "-h") == "", "the queue", QUEUE_PATIENCE)
    assert endings == ["ending: submitted", "ending: submitted", "ending: complete"]
    assert place.seeds() == {"lr=a": 4, "lr=c": 4, "average": 1}
    assert [len(runs) for _, runs in place.looks()] == [2, 0]
    assert len(place.results()) == 9
