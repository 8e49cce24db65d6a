"""compare.py on what MLflow knows: experiments, run ids and filter strings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tempo.cli.main import main
from tempo.records.layout import Store
from tempo.track.mlflow.mlflow_store import MlflowMirror

from .conftest import Study, make_plan

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """Records that Tempo made and mirrored, beside an experiment of somebody else."""
    root = tmp_path_factory.mktemp("records")
    (root / "mlflow.db").write_bytes(empty_database.read_bytes())
    study = Study(Store(root), make_plan())
    study.store.save_plan(study.plan)
    study.write_all()
    mirror = MlflowMirror(study.store)
    mirror.open(study.plan, {})
    assert mirror.finish("complete"), mirror.problem
    client = MlflowClient(study.uri)
    experiment = client.create_experiment("old work", artifact_location=str(root / "a"))
    for place, rate in enumerate(("1e-3", "1e-4")):
        for seed in range(2):
            run = client.create_run(experiment, 1_000_000 + place, run_name=f"lr{rate}_s{seed}")
            client.log_param(run.info.run_id, "lr", rate)
            client.log_param(run.info.run_id, "seed", str(seed))
            client.log_metric(run.info.run_id, "test/psnr", 30 + place + seed / 10, 1_000_100, 20)
            client.set_terminated(run.info.run_id, "FINISHED", 1_060_000)
    return root


@pytest.fixture
def mirrored(made: Path, tmp_path: Path) -> Study:
    """A copy, which a test may change."""
    ignore = shutil.ignore_patterns("mlartifacts")
    root = Path(shutil.copytree(made, tmp_path / "records", ignore=ignore))
    return Study(Store(root), make_plan())


@pytest.fixture
def ask(mirrored: Study, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asking(*words: str) -> tuple[int, str, str]:
        code = main(["compare", *words, "--json", "--records", str(mirrored.store.root)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return asking


def means(text: str) -> dict[str, float]:
    rows = json.loads(text)["rows"]
    return {row["variant"]: row["estimates"]["psnr"]["mean"] for row in rows if row["estimates"]}


def ids(study: Study, experiment: str, where: str = "") -> list[str]:
    client = MlflowClient(study.uri)
    number = client.get_experiment_by_name(experiment).experiment_id
    return [run.info.run_id for run in client.search_runs([number], where)]


def test_a_mirrored_experiment_is_its_study(ask: Ask) -> None:
    code, by_study, _ = ask("se_study")
    assert code == 0
    assert ask("mlflow:se_study") == (0, by_study, "")


def test_a_foreign_experiment_becomes_records_first(ask: Ask, mirrored: Study) -> None:
    code, out, err = ask("mlflow:old work")
    assert code == 0
    assert err == "4 runs of MLflow are study old_work of the records now\n"
    assert means(out) == pytest.approx({"lr1e-3": 30.05, "lr1e-4": 31.05})
    assert mirrored.store.studies() == ["old_work", "se_study"]
    assert ask("old_work")[1] == out


def test_run_ids_of_mlflow_lead_to_their_own_records(ask: Ask, mirrored: Study) -> None:
    """Both variants at one seed, from what their records say."""
    chosen = ids(mirrored, "se_study", "tags.seed = '1' and tags.role != 'reference'")
    assert len(chosen) == 2
    code, out, err = ask(*chosen)
    assert (code, err) == (0, "")
    assert means(out) == {"se=on": 32.0, "se=off": 33.0}
    assert mirrored.store.studies() == ["se_study"]


def test_a_parent_run_stands_for_its_children(ask: Ask, mirrored: Study) -> None:
    (parent,) = ids(mirrored, "se_study", "tags.role = 'study'")
    code, out, _ = ask(parent)
    assert code == 0
    assert means(out).keys() == {"se=on", "se=off", "average"}


def test_a_filter_chooses_among_all_experiments(ask: Ask, mirrored: Study) -> None:
    code, out, err = ask("mlflow:metrics.`test/psnr` > 30.9")
    assert code == 0
    assert "2 runs of MLflow are study old_work_" in err
    assert {"lr1e-4", "se=off", "se=on"} <= means(out).keys()
    assert "lr1e-3" not in means(out)


def test_another_store_is_asked_for_what_the_records_do_not_know(
    ask: Ask, mirrored: Study, tmp_path: Path, empty_database: Path
) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(empty_database.read_bytes())
    client = MlflowClient(f"sqlite:///{other}")
    run = client.create_run(
        client.create_experiment("se study", artifact_location=str(tmp_path)), run_name="theirs"
    )
    client.log_metric(run.info.run_id, "test/psnr", 29.0)
    client.set_terminated(run.info.run_id)
    code, out, err = ask("se study", "--mlflow", str(other))
    assert (code, means(out)) == (0, {"theirs": 29.0}), err
    assert ask("se_study", "--mlflow", str(other))[1] == ask("se_study")[1]


def test_a_study_is_never_replaced_by_an_experiment_of_its_name(
    ask: Ask, mirrored: Study, tmp_path: Path, empty_database: Path
) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(empty_database.read_bytes())
    client = MlflowClient(f"sqlite:///{other}")
    made = client.create_experiment("se_study", artifact_location=str(tmp_path))
    run = client.create_run(made, run_name="theirs")
    client.log_metric(run.info.run_id, "test/psnr", 29.0)
    client.set_terminated(run.info.run_id)
    before = mirrored.store.load_plan("se_study")
    code, out, err = ask("mlflow:se_study", "--mlflow", str(other))
    assert (code, means(out)) == (0, {"theirs": 29.0}), err
    assert "study se_study_mlflow" in err
    assert mirrored.store.load_plan("se_study") == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mlflow:old wrok", "unknown MLflow experiment 'old wrok'; did you mean 'old work'?"),
        ("mlflow:tags.variant = 'x'", "experiments: Default, old work, se_study"),
        ("f" * 32, "no runs in sqlite://"),
        ("mlflow:tags.nonsense = ", "cannot look 'tags.nonsense = ' up in MLflow"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(ask: Ask, name: str, words: str) -> None:
    code, out, err = ask(name)
    assert (code, out) == (2, "")
    assert words in err


def test_a_store_that_is_not_there_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "mlflow:x", "--records", str(tmp_path / "none")]) == 2
    assert "there is no MLflow store at sqlite:///" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
