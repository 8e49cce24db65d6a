"""Runs that others logged, as records."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tempo.core.errors import MissingError, TempoError
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.track.mlflow.mlflow_store import MlflowMirror
from tempo.track.mlflow_import.import_runs import import_runs

from .conftest import Study


@pytest.fixture
def foreign(study: Study) -> str:
    """A store in which a script logged four runs: two learning rates, two seeds."""
    client = MlflowClient(study.uri)
    experiment = client.create_experiment("old study", artifact_location=f"{study.store.root}/a")
    for place, rate in enumerate(("1e-3", "1e-4")):
        for seed in ("0", "1"):
            start = 1_000_000 + place
            run = client.create_run(experiment, start, run_name=f"lr{rate}_seed{seed}")
            for name, value in {"lr": rate, "seed": seed, "net": "film"}.items():
                client.log_param(run.info.run_id, name, value)
            for step in (10, 20):
                client.log_metric(run.info.run_id, "train_loss", 1 / step, 1_000_000 + step, step)
                client.log_metric(run.info.run_id, "val/psnr", step, 1_000_001 + step, step)
            client.log_metric(run.info.run_id, "psnr", 30 + int(seed), 1_000_100, 20)
            client.set_terminated(run.info.run_id, "FINISHED", 1_060_000)
    return study.uri


def test_replicates_are_grouped_and_curves_are_kept(foreign: str, tmp_path: Path) -> None:
    store = Store(tmp_path / "records")
    options = {"experiments": ["old study"], "rename": {"psnr": "test/psnr"}}
    plan = import_runs(store, foreign, **options)
    assert plan.study == "old_study"
    assert [variant.name for variant in plan.variants] == ["lr1e-3", "lr1e-4"]
    assert [dict(variant.levels) for variant in plan.variants] == [{"lr": "1e-3"}, {"lr": "1e-4"}]
    seeds = sorted((run.variant, run.seed or 0) for run in plan.runs)
    assert seeds == [(name, seed) for name in ("lr1e-3", "lr1e-4") for seed in (0, 1)]
    second = next(run for run in plan.runs if (run.variant, run.seed) == ("lr1e-3", 1))
    record = read_run(store.run_dir(second.run_id))
    assert record.status == "complete"
    assert [(each.step, each.values["psnr"]) for each in record.validations] == [(10, 10), (20, 20)]
    assert [each.values["loss"] for each in record.train] == [0.1, 0.05]
    assert record.test is not None
    assert record.test.values == {"psnr": 31.0}
    assert record.attempts[0].started == 1000.0
    assert record.finish is not None
    assert record.finish.seconds == 60.0
    assert store.load_plan("old_study") == plan
    before = (record.folder / "events.jsonl").read_bytes()
    import_runs(store, foreign, **options)
    assert (record.folder / "events.jsonl").read_bytes() == before


def test_a_filter_chooses(foreign: str, tmp_path: Path) -> None:
    plan = import_runs(Store(tmp_path), foreign, where="params.lr = '1e-4'", study="s")
    assert [variant.name for variant in plan.variants] == ["lr1e-4"]
    by_id = import_runs(Store(tmp_path), foreign, run_ids=[plan.spec["imported"]["runs"][0]])
    assert len(by_id.runs) == 1


def test_what_is_not_there_is_said(foreign: str, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="did you mean 'old study'"):
        import_runs(Store(tmp_path), foreign, experiments=["old studi"])
    with pytest.raises(MissingError, match="no runs with metrics"):
        import_runs(Store(tmp_path), foreign, where="params.lr = 'x'")
    with pytest.raises(TempoError, match="cannot read runs from MLflow"):
        import_runs(Store(tmp_path), foreign, where="nonsense ~")


def test_what_the_mirror_sent_comes_back(study: Study, tmp_path: Path) -> None:
    """Imported from its own mirror, a study has the figures it had."""
    study.write_all()
    mirror = MlflowMirror(study.store)
    mirror.open(study.plan, {})
    assert mirror.finish("complete"), mirror.problem
    copy = Store(tmp_path / "copy")
    plan = import_runs(copy, study.uri, experiments=["se_study"])
    assert len(plan.runs) == len(study.plan.runs)
    assert {run.variant for run in plan.runs} == {"se=on", "se=off", "average"}
    for run in study.plan.runs:
        ours = read_run(study.store.run_dir(run.run_id))
        wanted = (run.variant, run.seed or 0)
        theirs = next(each for each in plan.runs if (each.variant, each.seed) == wanted)
        found = read_run(copy.run_dir(theirs.run_id))
        assert found.status == ours.status
        assert found.test is not None
        assert ours.test is not None
        assert found.test.values == ours.test.values
        assert [(v.step, v.values) for v in found.validations] == [
            (v.step, v.values) for v in ours.validations
        ]
