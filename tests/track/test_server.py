"""The mirror against a real server that comes and goes."""

import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tempo.records.layout import Store
from tempo.track.mlflow.mlflow_store import MlflowMirror

from .conftest import Study, Written, make_plan
from .reader import assert_equal
from .servers import MlflowServer, server

__all__ = ["server"]
pytestmark = pytest.mark.slow


def study_at(root: Path, name: str, seeds: int = 3) -> Study:
    made = Study(Store(root), make_plan(seeds, name))
    made.store.save_plan(made.plan)
    return made


def write(study: Study, number: int) -> None:
    Written(study.store, study.plan, study.plan.runs[number], 30.0 + number).whole()


def wait_for(condition: object, seconds: float = 30.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_server_that_is_killed_for_the_middle_third(server: MlflowServer, tmp_path: Path) -> None:
    study = study_at(tmp_path, "killed")
    mirror = MlflowMirror(study.store, server.uri, interval=0.1)
    mirror.open(study.plan, {"git_commit": "c0ffee"})
    mirror.start()
    for number in (0, 1):
        write(study, number)
    client = MlflowClient(server.uri)
    wait_for(lambda: client.get_experiment_by_name("killed"))
    server.kill()
    for number in (2, 3, 4):
        write(study, number)
    wait_for(lambda: mirror.problem)
    assert mirror.problem == f"{server.uri} does not answer"
    server.start()
    for number in (5, 6):
        write(study, number)
    assert mirror.finish("complete"), mirror.problem
    assert mirror.problem is None
    assert_equal(server.uri, tmp_path, study.plan)
    experiment = client.get_experiment_by_name("killed")
    assert experiment.artifact_location.startswith("mlflow-artifacts:/")


def test_a_server_killed_again_and_again_while_it_is_written_to(
    server: MlflowServer, tmp_path: Path
) -> None:
    study = study_at(tmp_path, "restless", seeds=2)
    mirror = MlflowMirror(study.store, server.uri, interval=0.05)
    mirror.open(study.plan, {})
    mirror.start()
    for number in range(5):
        write(study, number)
        if number in {1, 3}:
            time.sleep(0.3)
            server.kill()
            server.start()
    assert mirror.finish("complete"), mirror.problem
    assert_equal(server.uri, tmp_path, study.plan)


def test_a_server_that_is_down_throughout_gets_everything_later(
    server: MlflowServer, tmp_path: Path
) -> None:
    study = study_at(tmp_path, "late", seeds=1)
    report = tmp_path / "report"
    report.mkdir()
    (report / "index.html").write_text("<p>report</p>")
    server.kill()
    try:
        mirror = MlflowMirror(study.store, server.uri, interval=0.05)
        mirror.open(study.plan, {})
        mirror.start()
        study.write_all()
        assert not mirror.finish("complete", [report], {"verdicts": 1.0})
        assert mirror.problem == f"{server.uri} does not answer"
    finally:
        server.start()
    later = MlflowMirror(study.store, server.uri)
    later.open(study.plan, None)
    assert later.sync(over=True), later.problem
    assert_equal(server.uri, tmp_path, study.plan)
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("late")
    parents = client.search_runs([experiment.experiment_id], "tags.role = 'study'")
    assert [run.info.status for run in parents] == ["FINISHED"]
    assert parents[0].data.metrics["verdicts"] == 1.0
    listed = client.list_artifacts(parents[0].info.run_id, "report")
    assert [file.path for file in listed] == ["report/index.html"]


def test_a_database_used_directly(server: MlflowServer, tmp_path: Path) -> None:
    study = study_at(tmp_path, "direct", seeds=1)
    mirror = MlflowMirror(study.store, server.backend)
    mirror.open(study.plan, {})
    study.write_all()
    assert mirror.finish("complete"), mirror.problem
    assert_equal(server.backend, tmp_path, study.plan)
