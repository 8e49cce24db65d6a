"""Stores of MLflow that others filled with what no honest run logs, and addresses that are none."""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from tempo.core.errors import RecordError, TempoError
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.track.mlflow_import.import_runs import import_runs

from .conftest import Call
from .test_damage_matrix import outside

Points = Mapping[str, Sequence[tuple[int, float]]]

HONEST: Points = {
    "train/loss": [(1, 1.0), (2, 0.5)],
    "val/psnr": [(1, 20.0), (2, 21.0)],
    "test/psnr": [(2, 22.0)],
}


def points(*values: float) -> Points:
    """A curve of these values in training and validation, and the last one as test."""
    curve = list(enumerate(values, 1))
    return {"train/loss": curve, "val/psnr": curve, "test/psnr": curve[-1:]}


class Foreign:
    """A store on disk."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "foreign.db"
        self.uri = f"sqlite:///{self.path}"
        self._client = MlflowClient(self.uri)
        self._folder = folder

    def log(self, name: str, runs: Sequence[tuple[Mapping[str, str], Points]]) -> None:
        experiment = self._client.create_experiment(name, artifact_location=str(self._folder / "a"))
        for place, (params, metrics) in enumerate(runs):
            run = self._client.create_run(experiment, 1_000_000 + place, run_name=f"run{place}")
            self._client.log_batch(
                run.info.run_id,
                [
                    Metric(key, value, 1_000_000, step)
                    for key, curve in metrics.items()
                    for step, value in curve
                ],
                [Param(key, value) for key, value in params.items()],
            )
            self._client.set_terminated(run.info.run_id, "FINISHED", 1_060_000)

    def execute(self, statement: str, *values: object) -> None:
        """Write what the client refuses to write."""
        with sqlite3.connect(self.path) as database:
            database.execute(statement, values)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with all tables and no runs, to be copied: to make the tables takes a second."""
    return Foreign(tmp_path_factory.mktemp("store")).path


@pytest.fixture
def foreign(empty_store: Path, tmp_path: Path) -> Foreign:
    shutil.copy(empty_store, tmp_path / empty_store.name)
    return Foreign(tmp_path)


def grid(metrics: Points, other: Points = HONEST) -> list[tuple[Mapping[str, str], Points]]:
    """Two variants of two seeds; the first run has `metrics`, the others `other`."""
    keys = [(rate, seed) for rate in ("1", "2") for seed in ("0", "1")]
    return [
        ({"lr": rate, "seed": seed}, other if place else metrics)
        for place, (rate, seed) in enumerate(keys)
    ]


@pytest.mark.parametrize("seed", ["²", "٣", "9" * 5000, "-3", "1e3", "", " 4"])
def test_a_seed_that_is_no_plain_number_is_replaced(
    seed: str, foreign: Foreign, tmp_path: Path
) -> None:
    foreign.log("seeds", [({"seed": seed, "lr": "1"}, HONEST), ({"seed": "1", "lr": "1"}, HONEST)])
    plan = import_runs(Store(tmp_path / "records"), foreign.uri, experiments=["seeds"])
    assert sorted(run.seed or 0 for run in plan.runs) == [0, 1]


STRANGE: dict[str, list[tuple[Mapping[str, str], Points]]] = {
    "one NaN": grid(points(math.nan, math.nan)),
    "all NaN": grid(points(math.nan), points(math.nan)),
    "one infinity": grid(points(-math.inf, math.inf)),
    "all infinite": grid(points(math.inf, -math.inf), points(-math.inf, math.inf)),
    "enormous": grid(points(1e308, -1e308), points(-1e308, 1e308)),
    "large": grid(points(1e99, -1e99), points(-1e99, 1e99)),
    "steps": grid({"val/psnr": [(-5, 1.0), (2**62, 2.0)], "test/psnr": [(2**62, 2.0)]}),
}


QUICK = {"one NaN", "all infinite"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in STRANGE],
)
def test_a_study_of_strange_numbers_has_a_page(
    name: str, foreign: Foreign, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every figure, since axes have no room for what is not finite."""
    monkeypatch.chdir(tmp_path)
    foreign.log("strange", STRANGE[name])
    assert call("import", foreign.uri, "--experiment", "strange").code == 0
    said = call("compare", "strange")
    assert said.code == 0, said
    assert (tmp_path / "reports" / "strange" / "index.html").is_file()
    assert call("status", "strange").code == 0


def test_an_infinity_that_the_store_cannot_hold_comes_back(
    foreign: Foreign, tmp_path: Path
) -> None:
    foreign.log("infinite", [({"seed": "0"}, points(1.0, math.inf))])
    store = Store(tmp_path / "records")
    plan = import_runs(store, foreign.uri, experiments=["infinite"])
    record = read_run(store.run_dir(plan.runs[0].run_id))
    assert record.test is not None
    assert record.test.values == {"psnr": math.inf}
    assert [each.values for each in record.validations] == [{"psnr": 1.0}, {"psnr": math.inf}]


def test_names_and_times_that_the_client_refuses_are_made_plain(
    foreign: Foreign, tmp_path: Path
) -> None:
    foreign.log("names", [({"evil": "a\x1b[2Jb", "lr": "1" * 3000}, HONEST)] * 2)
    foreign.execute("UPDATE params SET key = ? WHERE key = 'evil'", "se\x1b]0;x\x07")
    foreign.execute("UPDATE runs SET name = ?", "run\x1b[31m\n" + "n" * 5000)
    foreign.execute("UPDATE runs SET start_time = ?, end_time = ?", -5 * 10**15, 9 * 10**17)
    store = Store(tmp_path / "records")
    plan = import_runs(store, foreign.uri, experiments=["names"])
    assert store.load_plan("names") == plan
    (variant,) = plan.variants
    assert variant.name.isprintable()
    assert len(variant.name) <= 200
    assert all(f"{key}{value}".isprintable() for key, value in variant.config["params"].items())
    assert all(read_run(store.run_dir(run.run_id)).finish for run in plan.runs)


@pytest.mark.parametrize("name", ["../../../name", "n" * 5000, "", ".", "a/b", "a\x00b"])
def test_a_study_that_is_no_name_of_a_folder_is_refused(
    name: str, foreign: Foreign, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    foreign.log("honest", grid(HONEST))
    before = outside(tmp_path / "work")
    said = call("import", foreign.uri, "--experiment", "honest", "--study", name)
    if name:
        assert said.code == 2
        assert said.err.startswith("error: the study ")
    assert outside(tmp_path / "work") == before


def test_an_experiment_that_is_no_name_of_a_folder_becomes_one(
    foreign: Foreign, tmp_path: Path
) -> None:
    foreign.log("../../../x", grid(HONEST))
    plan = import_runs(Store(tmp_path / "records"), foreign.uri)
    assert plan.study == "x"


def test_files_that_are_no_store_are_refused(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("garbage.db").write_bytes(os.urandom(5000))
    os.mkfifo("pipe.db")
    Path("link.db").symlink_to("link.db")
    files = ["/etc/passwd", "garbage.db", "pipe.db", "absent.db", "sqlite:////dev/zero"]
    for file in (*files, "sqlite:///link.db", "sqlite:///", "sqlite:///a\x00b"):
        for words in (("import", file), ("compare", "mlflow:x", "--mlflow", file)):
            said = call(*words)
            assert said.code == 2, (words, said)
            assert said.err.startswith("error: "), (words, said)
    assert not Path("absent.db").exists(), "to read a store creates none"


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:99999", "http://127.0.0.1:abc", "http://[::1", "postgresql://h:0x1/db"],
)
def test_addresses_that_are_none_are_refused(address: str, call: Call) -> None:
    said = call("import", address)
    assert said.code == 2
    assert said.err.startswith("error: ") and "cannot be read" in said.err


def test_damaged_rows_of_a_store_are_a_sentence(foreign: Foreign, tmp_path: Path) -> None:
    foreign.log("honest", grid(HONEST))
    foreign.execute("DROP TABLE metrics")
    with pytest.raises(TempoError, match="cannot read runs from MLflow") as caught:
        import_runs(Store(tmp_path / "records"), foreign.uri, experiments=["honest"])
    assert not isinstance(caught.value, RecordError)
