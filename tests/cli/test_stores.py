"""`--mlflow`: a URI, a path, or off; nothing else is taken for a store."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tempo.cli.main import parser
from tempo.cli.shared_options import store_of

URIS = ["http://127.0.0.1:5000", "postgresql://u:p@h/db", "sqlite:///x.db", "databricks"]


def asked(*words: str) -> argparse.Namespace:
    return parser().parse_args(words)


@pytest.fixture(autouse=True)
def _no_store_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("word", ["off", "none", "None", "OFF"])
def test_two_words_mean_off(word: str) -> None:
    assert asked("run", "s.yaml", "--mlflow", word).mlflow == "off"


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_is_taken_as_it_is(uri: str) -> None:
    assert asked("run", "s.yaml", "--mlflow", uri).mlflow == uri


def test_paths_are_databases_and_folders_of_records(tmp_path: Path) -> None:
    assert asked("ui", "--mlflow", "new.db").mlflow == f"sqlite:///{tmp_path}/new.db"
    (tmp_path / "records").mkdir()
    assert asked("ui", "--mlflow", "records").mlflow == f"file://{tmp_path}/records"
    (tmp_path / "records" / "mlflow.db").touch()
    assert asked("ui", "--mlflow", "records").mlflow == f"sqlite:///{tmp_path}/records/mlflow.db"


@pytest.mark.parametrize("command", [["run", "s.yaml"], ["ui"], ["sync", "s"], ["compare", "s"]])
@pytest.mark.parametrize("word", ["yes", "no such folder", ""])
def test_anything_else_is_an_error(
    command: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        asked(*command, "--mlflow", word)
    assert stop.value.code == 2
    assert f"{word!r} is no MLflow store: a URI (http://HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["off", "None"])
def test_the_variable_may_say_off_to_every_command(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", word)
    assert asked("run", "s.yaml").mlflow == "off"
    for command in (["compare", "s"], ["ui"], ["sync", "s"]):
        assert store_of(asked(*command)).endswith("records/mlflow.db")


def test_only_a_study_can_go_without(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        asked("sync", "s", "--mlflow", "off")
    assert "'off' is no MLflow store" in capsys.readouterr().err


def test_the_variable_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert store_of(asked("ui", "--records", "r")) == f"sqlite:///{tmp_path}/r/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:1")
    assert store_of(asked("ui")) == "http://host:1"
