"""Results from elsewhere as records: with values by clip in the crossed model, without labelled;
and files that the real packages wrote."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import tempo
from tempo.cli.main import main
from tempo.comparison.build import compare
from tempo.comparison.query import Query
from tempo.core.errors import RecordError
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tests import record_generator as make

from .test_readers import write
from .wire import scalar


def rows(folder: Path) -> Path:
    """Two methods on the clips of six sources, three seeds each; b is half a decibel better."""
    draw = random.Random(1)
    lines = ["method,seed,clip,source,psnr"]
    for name, gain in (("a", 0.0), ("b", 0.5)):
        for seed in range(3):
            for clip in range(24):
                value = 30 + clip % 7 / 5 + gain + draw.gauss(0, 0.05)
                lines.append(f"{name},{seed},c{clip},v{clip // 4},{value}")
    path = folder / "theirs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_values_by_clip_enter_the_crossed_model(tmp_path: Path) -> None:
    store = Store(tmp_path / "records")
    name = tempo.import_runs(rows(tmp_path), records=store.root)
    assert name == "theirs"
    found = compare(store, store.load_plan(name), Query(baseline="a"))
    contrast = found.contrast("b")
    assert contrast is not None and contrast.verdict.word == "better"
    assert contrast.difference.value == pytest.approx(0.5, abs=0.05)
    assert contrast.difference.high - contrast.difference.low > 0.01
    assert found.clip_table is not None and len(found.clip_table.clips) == 24
    assert len(set(found.clip_table.sources)) == 6
    assert "the runs were imported, and no rule" in " ".join(found.exploratory)
    assert "by clip" in found.info("psnr").definition


def test_importing_again_changes_nothing_and_other_studies_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "records")
    path = rows(tmp_path)
    tempo.import_runs(path, records=store.root)
    before = {p: p.read_bytes() for p in store.root.rglob("*") if p.is_file()}
    tempo.import_runs(path, records=store.root)
    assert {p: p.read_bytes() for p in store.root.rglob("*") if p.is_file()} == before
    make.write_study(store.root, make.Study(arms=[make.Arm(name="x")], seeds=1, name="own"))
    with pytest.raises(RecordError, match="was carried out by Tempo"):
        tempo.import_runs(path, study="own", records=store.root)


def test_means_alone_are_shown_and_labelled(tmp_path: Path) -> None:
    store = Store(tmp_path / "records")
    for name, gain in (("a", 0.0), ("b", 1.0)):
        for seed in range(3):
            content = scalar("train/loss", 0, 1.0) + scalar("eval", 10, 30 + gain + seed / 10)
            write(tmp_path / "runs" / f"{name}_s{seed}", content)
    rename = {"eval": "test/psnr"}
    study = tempo.import_runs(tmp_path / "runs", records=store.root, rename=rename)
    plan = store.load_plan(study)
    assert sorted((run.variant, run.seed) for run in plan.runs) == [
        (name, seed) for name in ("a", "b") for seed in range(3)
    ]
    found = compare(store, plan, Query(baseline="a"))
    assert found.row("b").estimates["psnr"].mean == pytest.approx(31.1)
    assert "means alone" in " ".join(found.exploratory) and found.clip_table is None
    assert "without values by clip" in found.info("psnr").definition
    record = read_run(store.run_dir(plan.runs[0].run_id))
    assert record.train[0].values == {"loss": 1.0} and record.status == "complete"


def test_the_command_imports_and_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows(tmp_path)
    assert main(["import", "theirs.csv", "--study", "lab"]) == 0
    assert "6 runs of 2 variants are study lab" in capsys.readouterr().out
    assert main(["import", "gone.csv"]) == 2
    assert main(["import", "theirs.csv", "--kind", "json"]) == 2
    assert main(["import", "theirs.csv", "--experiment", "x"]) == 2
    said = capsys.readouterr().err
    assert "neither there" in said and "damaged" in said and "of kind clips" in said
    assert "Traceback" not in said


# --- the real packages -----------------------------------------------------------------------


def test_files_of_tensorboard_itself(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    import torch
    from torch.utils.tensorboard import SummaryWriter

    store = Store(tmp_path / "records")
    for name, rate in (("a", 1e-3), ("b", 1e-4)):
        for seed in range(2):
            writer = SummaryWriter(tmp_path / "tb" / f"{name}_s{seed}")
            for step in range(0, 30, 10):
                writer.add_scalar("train/loss", 1 / (step + 1), step)
                writer.add_scalar("val/psnr", 20 + step / 10, step, new_style=True)
            writer.add_text("note", "passed over", 0)
            writer.add_histogram("weights", torch.ones(4), 0)
            writer.add_scalar("test/psnr", 30.0 + seed + (name == "b"), 30)
            writer.add_hparams({"lr": rate, "seed": seed, "se": True}, {"hparam/psnr": 1.0})
            writer.close()
    study = tempo.import_runs(tmp_path / "tb", records=store.root)
    plan = store.load_plan(study)
    assert {v.name: dict(v.levels) for v in plan.variants} == {
        "a": {"lr": "0.001"}, "b": {"lr": "0.0001"}
    }  # fmt: skip
    second = next(run for run in plan.runs if (run.variant, run.seed) == ("b", 1))
    record = read_run(store.run_dir(second.run_id))
    assert record.test is not None and record.test.values == {"psnr": 32.0}
    assert [(e.step, e.values["psnr"]) for e in record.validations] == [(0, 20), (10, 21), (20, 22)]
    losses = {e.step: e.values["loss"] for e in record.train if "loss" in e.values}
    assert losses[10] == pytest.approx(1 / 11)
    found = compare(store, plan, Query(baseline="a"))
    assert found.row("b").estimates["psnr"].mean == pytest.approx(31.5)


def test_files_of_wandb_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    for name in ("WANDB_DIR", "WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    store = Store(tmp_path / "records")
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
    for name, rate in (("a", 1e-3), ("b", 1e-4)):
        for seed in range(2):
            run = wandb.init(
                mode="offline",
                dir=str(tmp_path),
                project="old_project",
                name=f"{name}_s{seed}",
                group=name,
                config={"lr": rate, "seed": seed, "net": {"kind": "film"}},
                reinit="create_new",
                settings=settings,
            )
            for step in range(0, 30, 10):
                run.log({"train/loss": 1 / (step + 1), "val": {"psnr": 20 + step / 10}}, step=step)
            run.log({"test/psnr": 30.0 + seed + (name == "b")}, step=40)
            run.finish()
    study = tempo.import_runs(tmp_path / "wandb", records=store.root)
    assert study == "old_project"
    plan = store.load_plan(study)
    assert {v.name: dict(v.levels) for v in plan.variants} == {
        "a": {"lr": "0.001"}, "b": {"lr": "0.0001"}
    }  # fmt: skip
    second = next(run for run in plan.runs if (run.variant, run.seed) == ("b", 1))
    record = read_run(store.run_dir(second.run_id))
    assert record.status == "complete"
    assert record.test is not None and record.test.values == {"psnr": 32.0}
    assert [(e.step, e.values["psnr"]) for e in record.validations] == [(0, 20), (10, 21), (20, 22)]
    assert json.loads((record.folder / "run.json").read_text())["config"]["params"] == {
        "lr": "0.0001", "net.kind": "film"
    }  # fmt: skip
