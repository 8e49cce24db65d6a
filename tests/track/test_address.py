"""Where the store is, and that its password is never written down."""

from pathlib import Path

import pytest

from tempo.core.redaction import redacted
from tempo.track.mlflow.client import explain
from tempo.track.mlflow.mlflow_store import MlflowMirror
from tempo.track.store_address import (
    artifact_location,
    default_uri,
    sqlite_file,
    store_key,
)

from .conftest import Study

SECRET = "postgresql://user:s3cret@127.0.0.1:1/db"


def test_the_default_is_a_file_beside_the_records(tmp_path: Path) -> None:
    uri = default_uri(tmp_path)
    assert uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert sqlite_file(uri) == tmp_path / "mlflow.db"
    assert artifact_location(uri, tmp_path, "s") == f"file://{tmp_path}/mlartifacts/s"


def test_a_relative_root_means_the_same_from_everywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_uri(Path("records")) == f"sqlite:///{tmp_path}/records/mlflow.db"


def test_a_server_decides_where_artifacts_go(tmp_path: Path) -> None:
    assert artifact_location("http://host:5000", tmp_path, "s") is None
    assert artifact_location(SECRET, tmp_path, "s") == f"file://{tmp_path}/mlartifacts/s"


def test_a_password_is_neither_shown_nor_part_of_the_key() -> None:
    assert redacted(SECRET) == "postgresql://user:***@127.0.0.1:1/db"
    assert store_key(SECRET) == store_key(SECRET.replace("s3cret", "other"))
    error = RuntimeError(f"cannot open {SECRET} with password s3cret")
    assert "s3cret" not in explain(error, SECRET)
    assert redacted("http://host:5000") == "http://host:5000"


def test_a_password_reaches_neither_disk_nor_display(study: Study) -> None:
    mirror = MlflowMirror(study.store, SECRET)
    mirror.open(study.plan, {})
    study.write("on0").whole()
    assert not mirror.finish("complete")
    assert mirror.problem == "postgresql://user:***@127.0.0.1:1/db does not answer"
    assert "s3cret" not in mirror.uri
    written = [path for path in study.store.root.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"s3cret" in path.read_bytes()]
