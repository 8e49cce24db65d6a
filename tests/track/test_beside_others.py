"""Several processes mirror one study: what one begins or ends while another sends is kept."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from mlflow import MlflowClient

from tempo.track.mirror_state import InvocationState
from tempo.track.mlflow import mlflow_store
from tempo.track.mlflow.mlflow_store import MlflowMirror
from tempo.track.mlflow.study_run import ParentSender

from .conftest import Study
from .reader import assert_equal


def begun(study: Study, name: str, started: float) -> MlflowMirror:
    """The mirror of a command that carries the study out."""
    mirror = MlflowMirror(study.store)
    mirror.open(study.plan, {"id": name, "started": started})
    return mirror


def syncing(study: Study) -> MlflowMirror:
    """The mirror of `tempo sync`."""
    mirror = MlflowMirror(study.store)
    mirror.open(study.plan, None)
    return mirror


def parents(study: Study) -> dict[str, Any]:
    client = MlflowClient(study.uri)
    experiment = client.get_experiment_by_name(study.plan.study)
    found = client.search_runs([experiment.experiment_id], "tags.role = 'study'")
    return {run.data.tags["tempo.invocation"]: run for run in found}


def page(study: Study) -> Path:
    folder = study.store.root / "report"
    folder.mkdir()
    (folder / "index.html").write_text("<p>report</p>")
    return folder


def has_page(study: Study, name: str) -> bool:
    mlflow_id = parents(study)[name].info.run_id
    return [file.path for file in MlflowClient(study.uri).list_artifacts(mlflow_id, "report")] == [
        "report/index.html"
    ]


def test_a_study_that_begins_during_a_sync_is_left_to_itself(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(study, "first", 1.0)
    study.write("on0").whole()
    assert first.finish("complete"), first.problem
    later: list[MlflowMirror] = []
    send = MlflowMirror._send_children

    def begin_and_send(mirror: MlflowMirror, *arguments: Any, **options: Any) -> Any:
        if not later:
            later.append(begun(study, "second", 2.0))
            study.write("off0").whole()
        return send(mirror, *arguments, **options)

    monkeypatch.setattr(MlflowMirror, "_send_children", begin_and_send)
    sync = syncing(study)
    assert sync.sync(), sync.problem
    assert [*parents(study)] == ["first"]
    for run_id in ("on1", "off1", "avg"):
        study.write(run_id).whole()
    assert later[0].finish("complete", [page(study)]), later[0].problem
    assert_equal(study.uri, study.store.root, study.plan)
    assert {run.info.status for run in parents(study).values()} == {"FINISHED"}
    assert has_page(study, "second")


def test_what_ends_while_another_process_notes_what_it_sent_has_ended(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process read the invocation before it ended, and writes it afterwards."""
    own = begun(study, "own", 1.0)
    study.write_all()
    report, waits = page(study), threading.Event()
    finished: list[bool] = []

    class Watched(FileLock):
        def acquire(self, *arguments: Any, **options: Any) -> Any:
            if threading.current_thread() is ending:
                waits.set()
            return super().acquire(*arguments, **options)

    ending = threading.Thread(target=lambda: finished.append(own.finish("complete", [report])))
    create = ParentSender._create

    def end_and_create(sender: ParentSender, invocation: InvocationState) -> str:
        if not waits.is_set():
            ending.start()
            assert waits.wait(30)
        return create(sender, invocation)

    monkeypatch.setattr(mlflow_store, "FileLock", Watched)
    monkeypatch.setattr(ParentSender, "_create", end_and_create)
    sync = syncing(study)
    assert sync.sync(), sync.problem
    ending.join(60)
    assert finished == [True]
    assert parents(study)["own"].info.status == "FINISHED" and has_page(study, "own")


def test_what_was_taken_for_dead_and_ends_later_shows_its_own_end(study: Study) -> None:
    own = begun(study, "own", 1.0)
    study.write("on0").whole()
    sync = syncing(study)
    assert sync.sync(over=True), sync.problem
    assert parents(study)["own"].data.tags["status"] == "stopped"
    for run_id in ("off0", "on1", "off1", "avg"):
        study.write(run_id).whole()
    assert own.finish("complete", [page(study)]), own.problem
    assert parents(study)["own"].data.tags["status"] == "complete"
    assert parents(study)["own"].info.status == "FINISHED" and has_page(study, "own")
