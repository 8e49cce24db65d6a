"""Studies with VGG losses and teachers: planned, carried out, broken on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tempo
from tempo.records.files import sha256_of
from tempo.records.run_record import read_run
from tests.reference_vgg import ReferenceVgg, saved
from tests.tiny_study import TINY

from .conftest import ROOT

SPEC = (
    f"\nstudy: practice\n{TINY}"
    + """\
variants:
  pupil:
    set:
      recipe.loss:
        kind: sum
        terms:
          - loss: charbonnier
          - loss: {kind: distillation, teacher: large}
          - {weight: 0.1, loss: {kind: perceptual, layers: {relu2_2: 1}, weights: WEIGHTS}}
  large: {set: {arch.base_channels: 6}}
  plain: {}
baseline: plain
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights = saved(tmp_path / "vgg16.pth", ReferenceVgg("vgg16"))
    text = SPEC.replace("WEIGHTS", f"{{path: vgg16.pth, sha256: {weights['sha256']}}}")
    (tmp_path / "practice.yaml").write_text(text)
    return tmp_path


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "practice.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(ROOT / "run_experiment.py"), "practice.yaml", "--mlflow", "off"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*argv, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=280
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_pupil_follows_its_teacher_from_the_plan_to_the_comparison(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    made = tempo.load_study("practice.yaml", mlflow="off")
    assert made.plan().starts == ("pupil learns from large, each seed from the same seed of it",)
    table = made.plan().table()
    states = dict(zip(table["variant"], table["state"], strict=True))
    assert states == {"large": "planned", "plain": "planned", "pupil": "planned, after large s0"}
    outcome = made.run()
    assert outcome.ending == "complete" and outcome.comparison is not None
    costs = {row.variant: row.cost for row in outcome.comparison.rows}
    assert costs["pupil"].hours_behind == pytest.approx(costs["large"].device_hours)
    (run,) = [each for each in made.expanded.runs if each.variant == "pupil"]
    record = read_run(made.options.store.run_dir(run.run_id))
    terms = {name for name in record.train[-1].values if name.startswith("loss/")}
    assert terms == {"loss/charbonnier", "loss/distillation", "loss/perceptual"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_pupil_is_priced_before_its_teacher_is_trained(folder: Path) -> None:
    done = command(folder, "--plan", "--price")
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "could not be priced" not in said
    assert "pupil learns from large" in said and "with the training that it builds on" in said
    assert not list(folder.glob("records/runs/*"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("vgg16.pth", "vgg99.pth", "the file of weights vgg99.pth does not exist (looked at"),
        ("sha256: ", "sha256: 0000", "sha256 must be the 64 hexadecimal digits"),
        ("teacher: large", "teacher: lage", "did you mean 'large'?"),
        ("teacher: large", "teacher: pupil", "build on each other in a circle: pupil -> pupil"),
        ("{relu2_2: 1}", "{relu9_2: 1}", "'relu9_2'; did you mean"),
        ("{relu2_2: 1}", "{relu5_3: 1}, distance: l7", "distance must be 'l1' or 'l2'"),
        ("crop: 16", "crop: 8", "the loss needs pictures of at least"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained(
    folder: Path, old: str, new: str, said: str
) -> None:
    if "crop" in old:
        change(folder, "{relu2_2: 1}", "{relu5_1: 1}")
    change(folder, old, new)
    done = command(folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(folder.glob("records/runs/*/events.jsonl"))


def test_another_file_under_the_same_name_is_refused(folder: Path) -> None:
    saved(folder / "vgg16.pth", ReferenceVgg("vgg16", narrow=32))
    done = command(folder)
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    assert f"its SHA-256 is {sha256_of(folder / 'vgg16.pth')}, and not" in said
    assert "Traceback" not in done.stderr
    assert not list(folder.glob("records/runs/*/events.jsonl"))
