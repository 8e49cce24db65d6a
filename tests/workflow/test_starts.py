"""Studies whose variants start from others' weights: planned, carried out, broken on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tempo
from tempo.records.run_record import read_run
from tests.tiny_study import TINY

from .conftest import ROOT

SPEC = (
    f"\nstudy: starts\n{TINY}"
    + """\
variants:
  child: {set: {recipe: {init: {from: parent}, freeze: [encoder]}}}
  parent: {}
baseline: parent
"""
)


def study(folder: Path, text: str = SPEC, **options: Any) -> tempo.Study:
    (folder / "starts.yaml").write_text(text)
    places = {name: folder / name for name in ("records", "reports", "cache")}
    return tempo.load_study(folder / "starts.yaml", mlflow="off", **places, **options)


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [
        sys.executable,
        str(ROOT / "run_experiment.py"),
        "starts.yaml",
        "--mlflow",
        "off",
        *words,
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "OMP_NUM_THREADS": "1"}
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=280)


def states(made: tempo.Study) -> dict[str, str]:
    table = made.plan().table()
    return dict(zip(table["variant"], table["state"], strict=True))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_family_is_planned_trained_compared_and_made_again_with_its_parent(
    tmp_path: Path,
) -> None:
    made = study(tmp_path)
    assert states(made) == {"parent": "planned", "child": "planned, after parent s0"}
    assert made.plan().starts == (
        "child takes weights from parent, each seed from the same seed of it",
    )
    outcome = made.run()
    assert outcome.ending == "complete" and outcome.comparison is not None
    costs = {row.variant: row.cost for row in outcome.comparison.rows}
    assert costs["parent"].hours_behind is None
    assert costs["child"].hours_behind == pytest.approx(costs["parent"].device_hours)
    audit = [each for each in outcome.comparison.fairness if each.field == "init"]
    assert [dict(each.values) for each in audit] == [{"parent": "nothing", "child": "parent"}]
    assert set(states(made).values()) == {"complete"}
    # The parent's record is damaged so that it has to be trained again; by the same code it gets
    # the same weights, so its child's result holds.
    runs = {run.variant: run for run in made.expanded.runs}
    folders = {name: tmp_path / "records" / "runs" / run.run_id for name, run in runs.items()}
    events = folders["parent"] / "events.jsonl"
    events.write_text(events.read_text().replace('"status":"complete"', '"status":"failed"'))
    assert made.run().ending == "complete"
    assert len(read_run(folders["child"]).attempts) == 1
    # With other weights it does not hold.
    child = folders["child"] / "events.jsonl"
    weights = read_run(folders["parent"]).evaluations[-1].weights
    child.write_text(child.read_text().replace(weights, "0" * 64))
    assert states(made)["child"] == (
        f"stale: made from the weights of run {runs['parent'].run_id}, which was trained again, "
        "will be made again (or --reuse-stale)"
    )
    assert made.run().ending == "complete"
    assert len(read_run(folders["child"]).attempts) == 2
    assert set(states(made).values()) == {"complete"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_failed_parent_holds_its_children_back_on_the_command_line(tmp_path: Path) -> None:
    guard = "{policy: fail, strikes: 1, divergence: 2, window: 5}"
    change = f"recipe: {{lr: 1000, warmup: 0, budget: {{steps: 12}}, guard: {guard}}}"
    broken = SPEC.replace("parent: {}", f"parent: {{set: {{{change}}}}}")
    (tmp_path / "starts.yaml").write_text(broken.replace("references: []\n", ""))
    done = command(tmp_path)
    assert done.returncode == 1, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    why = "it builds on parent s0, which failed: RunError: 1 steps in a row"
    assert f"held back child s0: {why}" in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "from: parent}",
            "from: parnt}",
            "starts.yaml:10:3: variant 'child': unknown variant, run or file to take weights "
            "from: 'parnt'; did you mean 'parent'? (known: parent)",
        ),
        (
            "from: parent}",
            "from: parent, only: [encodr]}",
            "recipe.init.only: this network has no parameter and no part with parameters called "
            "'encodr'; did you mean 'encoder'?",
        ),
        ("[encoder]", "[flow]", "recipe.freeze: this network has no parameter and no part"),
        (
            "freeze: [encoder]}",
            "freeze: []}, arch.base_channels: 8",
            "parameters cannot be copied from parent: ",
        ),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    (tmp_path / "starts.yaml").write_text(SPEC.replace(old, new))
    done = command(tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("records/runs/*/events.jsonl"))


def test_a_run_of_another_study_that_has_no_result_is_named(tmp_path: Path) -> None:
    other = study(tmp_path, SPEC.replace("study: starts", "study: other"))
    (run,) = [each for each in other.expanded.runs if each.variant == "parent"]
    other.options.store.save_run(other.expanded.spec_of(run))
    text = SPEC.replace("from: parent", f"from: {run.run_id[:8]}").replace("lr: 1e-3", "lr: 2e-3")
    made = study(tmp_path, text)
    assert made.plan().starts == (f"child takes weights from run {run.run_id}, whatever the seed",)
    with pytest.raises(
        tempo.TempoError, match=f"run {run.run_id}.*has no result yet, and it is not"
    ):
        made.run()


def test_a_search_starts_from_fresh_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"weights")
    text = SPEC.partition("variants:")[0].replace(
        "budget: {steps: 4}", f"budget: {{steps: 4}}, init: {{from: {path}}}"
    )
    text += "factors: {lr: {path: recipe.lr, levels: {a: 1e-3, b: 2e-3}}}\n"
    text += "search: {budget: {trials: 2}}\n"
    (tmp_path / "starts.yaml").write_text(text)
    done = command(tmp_path, "--plan")
    assert done.returncode == 2
    assert "the trials of a search start from fresh weights" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
