"""Runs on a real Ray that are spread over processes, stopped, or limited in their cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tempo.core.jobs import RESUMABLE
from tempo.core.records import RunStatus
from tempo.launch.launchers.ray.job_client import RayJobs
from tests.gpu_time import spend_gpu_hours

from .ray_cluster import ADDRESSES, CPUS, URL, RayCluster
from .slurm_cluster import wait_until
from .test_ray_study import PATIENCE, RayPlace
from .test_slurm_study import ROOT, STEPS, Place, check_spans, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ONE_VARIANT = ("design=[]", "factors={}", "variants={only: {}}", "baseline=only", "references=[]")


def sets(*changes: str) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def requests(place: Place) -> list[Mapping[str, Any]]:
    """What was asked of Ray, beside the job that tends the study."""
    found = [
        json.loads(path.read_text()) for path in place.folder.glob("records/ray/*/request.json")
    ]
    return [each for each in found if "entrypoint_num_cpus" in each]


def test_a_run_on_two_processes_of_one_node_ends_as_on_this_machine(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    place, calm = RayPlace(tmp_path / "cluster"), Place(tmp_path / "local")
    spread = ("--ddp", "2", *sets(*ONE_VARIANT, "seeds=1", "recipe.budget.steps=20"))
    loopback = {"GLOO_SOCKET_IFNAME": "lo"}
    with place.running("--launcher", "ray", "--wait", *spread, **loopback) as driver:
        assert driver.wait(400) == 0, place.output
    with calm.running(*spread, **loopback) as driver:
        assert driver.wait(400) == 0, calm.output
    for here in (place, calm):
        (record,) = here.records().values()
        assert [each.environment["world_size"] for each in record.attempts] == [2]
    (asked,) = requests(place)
    # `resources.cpus` of the study is for the whole run.
    assert asked["entrypoint_num_cpus"] == 2
    assert place.results() == calm.results()


def test_a_study_that_was_left_is_stopped_and_goes_on(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    place = RayPlace(tmp_path)
    few = sets(*ONE_VARIANT, "seeds=2", "resources.cpus=4")
    with place.running("--launcher", "ray", *few) as driver:
        assert driver.wait(300) == 0, place.output
    with place.slow():
        wait_for(place.going_on, "a run to train", place)
        stopped = subprocess.run(
            [sys.executable, "-m", "tempo", "stop", "disturbed"],
            cwd=place.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TEMPO_LEDGER": place.ledger},
            capture_output=True,
            text=True,
        )
        assert stopped.returncode == 0 and "stopping  only s" in stopped.stdout, stopped.stderr
        tended = "the workers and what tends them to leave"
        wait_until(lambda: not place.processes(), tended, PATIENCE)
    gone = lambda: not place.rows() and not place.rows("PENDING")  # noqa: E731
    wait_until(gone, "Ray to have no job of the study", PATIENCE)
    begun = place.records()
    assert RunStatus.COMPLETE not in {record.status for record in begun.values()}
    assert any(0 < record.step < STEPS for record in begun.values())

    with place.running("--launcher", "ray", "--wait", *few) as driver:
        assert driver.wait(400) == 0, place.output
    assert {record.status for record in place.records().values()} == {RunStatus.COMPLETE}
    check_spans(place)


def test_a_job_heeds_what_its_study_has_spent_when_its_turn_comes(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    place = RayPlace(tmp_path)
    few = sets(*ONE_VARIANT, "recipe.budget.steps=20", "budget.gpu_hours=3")
    with place.running("--launcher", "ray", "--wait", *few, *sets("seeds=1")) as driver:
        assert driver.wait(300) == 0, place.output
    ray = RayJobs(URL)
    # Every CPU is taken, so that the second seed has to wait for its turn.
    for node in ("a", "b"):
        ray.submit(
            {
                "entrypoint": "sleep 600",
                "submission_id": f"holds-{node}",
                "metadata": {"tempo_job": f"holds-{node}"},
                "entrypoint_num_cpus": CPUS,
            }
        )
    held = lambda: {  # noqa: E731
        row.where for row in ray.rows() if row.name.startswith("holds-") and row.where
    }
    nodes = {ADDRESSES["node1"], ADDRESSES["node2"]}
    wait_until(lambda: held() == nodes, "every CPU to be taken", PATIENCE)
    with place.running("--launcher", "ray", "--wait", *few, *sets("seeds=2")) as driver:
        waits = wait_for(lambda: place.rows("PENDING"), "the second seed to be submitted", place)
        spend_gpu_hours(place.records()["only s0"].folder, 4)
        for node in ("a", "b"):
            ray.stop(f"holds-{node}")
        assert driver.wait(300) != 0, place.output
    said = " ".join(place.output.split())
    assert "budget.gpu_hours is 3, and 4 GPU-hours were spent" in said, place.output
    assert (tmp_path / "records" / "ray" / waits[0].name / "code").read_text() == f"{RESUMABLE}\n"
    assert place.records()["only s1"].attempts == ()
    assert place.rows() == place.rows("PENDING") == []
