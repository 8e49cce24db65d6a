"""What a keep policy removes from the records goes from MLflow as well, and is not missed there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tempo.records.disk.removals import NAME, remove
from tempo.track.mlflow.mlflow_store import MlflowMirror
from tempo.track.mlflow.run_content import Limits

from .conftest import Study
from .servers import MlflowServer, server

__all__ = ["server"]

CHECKPOINTS = Limits(checkpoint_mib=1.0)


def _mirror(study: Study, uri: str | None = None) -> MlflowMirror:
    mirror = MlflowMirror(study.store, uri, limits=CHECKPOINTS)
    mirror.open(study.plan, {})
    return mirror


def _run(client: MlflowClient, study: Study) -> Any:
    experiment = client.get_experiment_by_name(study.plan.study)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    return next(run for run in found if run.info.run_name == "se=on s0")


def _artifacts(client: MlflowClient, run: Any, folder: str) -> set[str]:
    return {Path(each.path).name for each in client.list_artifacts(run.info.run_id, folder)}


def _pictures(client: MlflowClient, run: Any) -> set[str]:
    """Of the test clips: those of validation are no gallery."""
    return {name for name in _artifacts(client, run, "images") if name.startswith("test")}


def _remove(folder: Path) -> None:
    paths = [folder / "checkpoints/step-00000040.pt", folder / "gallery"]
    remove(folder, paths, "checkpoints: best")


def _check_followed(client: MlflowClient, study: Study, mirror: MlflowMirror, folder: Path) -> None:
    run = _run(client, study)
    assert _artifacts(client, run, "checkpoints") == {"step-00000040.pt"}
    assert _pictures(client, run)
    validation = _artifacts(client, run, "images") - _pictures(client, run)
    _remove(folder)
    # The same mirror, which saw the events before, and none of them is new.
    assert mirror.sync(), mirror.problem
    assert _artifacts(client, run, "checkpoints") == set()
    assert _pictures(client, run) == set()
    assert _artifacts(client, run, "images") == validation != set()
    assert _artifacts(client, run, "evaluation/test") == {"clips.parquet"}


def test_artifacts_follow_what_is_removed_after_they_were_sent(study: Study) -> None:
    folder = study.write("on0").whole().folder
    mirror = _mirror(study)
    assert mirror.sync(), mirror.problem
    _check_followed(MlflowClient(study.uri), study, mirror, folder)


def test_what_was_removed_before_it_was_sent_is_not_missed(study: Study) -> None:
    folder = study.write("on0").whole().folder
    _remove(folder)
    mirror = _mirror(study)
    assert mirror.sync(), mirror.problem
    client = MlflowClient(study.uri)
    run = _run(client, study)
    assert run.info.status == "FINISHED" and not _pictures(client, run)
    # What is gone without a policy is still said.
    (folder / "clips.parquet").unlink()
    again = MlflowMirror(study.store, f"sqlite:///{study.store.root / 'other.db'}")
    again.open(study.plan, {})
    assert not again.sync()
    assert again.problem is not None and "clips.parquet is missing" in again.problem
    assert "gallery" not in again.problem


def test_a_damaged_note_of_removals_only_makes_files_missed(study: Study) -> None:
    folder = study.write("on0").whole().folder
    _remove(folder)
    (folder / NAME).write_text("[")
    mirror = _mirror(study)
    assert not mirror.sync()
    assert mirror.problem is not None and "is missing" in mirror.problem


@pytest.mark.slow
def test_artifacts_of_a_server_follow(study: Study, server: MlflowServer) -> None:
    folder = study.write("on0").whole().folder
    mirror = _mirror(study, server.uri)
    assert mirror.sync(), mirror.problem
    _check_followed(MlflowClient(server.uri), study, mirror, folder)
