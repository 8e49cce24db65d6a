"""An empty MLflow store as a copy of one that was made before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tempo.track.mlflow import empty_store
from tempo.track.mlflow.client import connect
from tempo.track.mlflow.empty_store import make_empty


@pytest.fixture
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "kept"
    monkeypatch.setattr(empty_store, "KEPT_IN", folder)
    return folder


def _schema(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as opened:
        return [*opened.iterdump()]


def _unwanted(path: Path) -> None:
    raise AssertionError("a store was made where one was kept")


def test_a_copy_is_the_store_that_mlflow_makes(
    kept_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        client = connect(f"sqlite:///{tmp_path / name / 'store.db'}")
        (default,) = client.search_experiments()
        assert default.experiment_id == "0"
        assert default.artifact_location == str(tmp_path / name / "mlruns" / "0")
        assert len([*kept_in.iterdir()]) == 1
        make_empty(tmp_path / name / "copy.db", _unwanted)
    made, copied = tmp_path / "first" / "store.db", tmp_path / "second" / "copy.db"
    said = [line for line in _schema(made) if not line.startswith('INSERT INTO "experiments"')]
    assert sorted(_schema(copied)) == sorted(said)


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0 torn", None])
def test_a_damaged_one_is_made_anew(kept_in: Path, tmp_path: Path, damage: bytes | None) -> None:
    def build(path: Path) -> None:
        with closing(sqlite3.connect(path)) as opened:
            for name in empty_store.TABLES:
                opened.execute(f"CREATE TABLE {name} (value TEXT)")
            opened.execute("INSERT INTO alembic_version VALUES ('now')")
            opened.execute("INSERT INTO experiments VALUES ('Default')")
            opened.commit()

    make_empty(tmp_path / "one.db", build)
    (kept,) = kept_in.iterdir()
    before = _schema(kept)
    make_empty(tmp_path / "two.db", _unwanted)
    if damage is None:
        with closing(sqlite3.connect(kept)) as opened:
            opened.execute("INSERT INTO runs VALUES ('planted')")
            opened.commit()
    else:
        kept.write_bytes(damage)
    make_empty(tmp_path / "three.db", build)
    assert [*kept_in.iterdir()] == [kept] and _schema(kept) == before


def test_where_nothing_can_be_kept_each_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(empty_store, "KEPT_IN", tmp_path / "file" / "below")
    made: list[Path] = []
    for name in ("one", "two"):
        make_empty(tmp_path / name, made.append)
    assert made == [tmp_path / "one", tmp_path / "two"]
