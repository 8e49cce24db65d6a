"""A search through the command line: undisturbed, killed, pruned across processes, exported."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.records.search_record import SearchSummary, load_search

from .conftest import TINY, Folder, make_folder

PATIENCE = 150.0

SEARCH = (
    TINY.split("factors:")[0].replace("study: tiny", "study: hunt")
    + """
factors:
  lr: {path: recipe.lr, range: {low: 1e-4, high: 1e-1, log: true}}
  se: {path: arch.se, levels: {on: squeeze_excite, off: none}}
variants: {V3: {}, V2: {set: {arch: {preset: tempo_v2, base_channels: 4}}}}
search:
  budget: {trials: 5}
  sampler: {kind: tpe, startup: 2}
  pruner: none
  enqueue: [V2, V3]
  constraints: [parameters <= 1M]
  confirm: 2
seeds: 1
"""
)


def searching(path: Path, cache: Path, text: str = SEARCH) -> Folder:
    folder = make_folder(path, cache)
    (path / "hunt.yaml").write_text(text)
    return folder


def summary_of(folder: Folder) -> SearchSummary:
    return load_search(Store(folder.records), "hunt")


@pytest.fixture(scope="module")
def hunted(
    tmp_path_factory: pytest.TempPathFactory, shared_cache: Path
) -> tuple[Folder, subprocess.CompletedProcess[str]]:
    folder = searching(tmp_path_factory.mktemp("hunt"), shared_cache)
    return folder, folder.run("run_experiment.py", "hunt.yaml", "--slots", "2")


def test_one_command_searches_and_confirms(
    hunted: tuple[Folder, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = hunted
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("outside the space", "shrinkage", "minus V", "optuna-dashboard", "(budget:"):
        assert words in done.stdout
    assert "Warning" not in done.stderr
    summary = summary_of(folder)
    assert summary.over and summary.spent.trials == 5
    assert [trial.state for trial in summary.trials].count("complete") == 4
    assert {each.trial for each in summary.confirmed} >= {"V2", "V3"}
    assert all(each.fresh is not None and each.fresh.count == 2 for each in summary.confirmed)
    printed = " ".join(done.stdout.split())
    for gain in summary.confirmed[0].gain.values():
        assert gain.count == 2 and gain.clips > 1 and gain.word == ""
        assert gain.covers in printed and gain.reason in printed
    assert summary.confirmed[0].gain
    for trial in summary.trials:
        for run in trial.runs:
            assert read_run(folder.records / "runs" / run.run_id).test is not None


def test_trials_are_child_runs_of_the_search_in_mlflow(
    hunted: tuple[Folder, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = hunted
    script = f"""
import json, mlflow
client = mlflow.MlflowClient("sqlite:///{folder.records}/mlflow.db")
(experiment,) = [e for e in client.search_experiments() if e.name == "hunt"]
runs = client.search_runs([experiment.experiment_id])
parents = {{r.info.run_id for r in runs if r.data.tags.get("role") == "study"}}
of = {{r.info.run_name: r.data.tags.get("mlflow.parentRunId") for r in runs}}
print(json.dumps({{name: parent in parents for name, parent in of.items()}}))
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    shown = json.loads(out.stdout.splitlines()[-1])
    for trial in summary_of(folder).trials:
        assert shown[f"{trial.variant} s0"]


def test_the_same_command_repeats_nothing(
    hunted: tuple[Folder, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = hunted
    before = summary_of(folder)
    again = folder.run("run_experiment.py", "hunt.yaml", "--mlflow", "off")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "started" not in again.stdout
    assert "Checking" not in again.stdout, "nothing is rehearsed that will not be trained"
    assert summary_of(folder).trials == before.trials


def test_changing_the_space_is_an_error_that_says_what_may_change(
    hunted: tuple[Folder, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = hunted
    done = folder.run("run_experiment.py", "hunt.yaml", "--set", "factors.lr.range.high=0.5")
    assert done.returncode == 2
    assert "factors.lr.range.high was 0.1, is 0.5" in done.stderr
    assert "May change: the budget" in done.stderr and "Traceback" not in done.stderr


def test_the_winner_becomes_a_study_of_the_same_runs(
    hunted: tuple[Folder, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = hunted
    summary = summary_of(folder)
    argv = [sys.executable, "-m", "tempo.cli.main", "search", "export", "hunt", "-o", "found.yaml"]
    done = subprocess.run(
        argv, cwd=folder.path, env=folder.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    plan = json.loads(folder.run("run_experiment.py", "found.yaml", "--plan", "--json").stdout)
    best = summary.trial(summary.best[0])
    assert {run.run_id for run in best.runs} <= {run["run_id"] for run in plan["runs"]}
    assert set(plan["complete"]) >= {run.run_id for run in best.runs}


@pytest.mark.slow
def test_a_winner_found_under_a_profile_is_a_study_there(
    tmp_path: Path, shared_cache: Path
) -> None:
    small = "{search: {budget: {trials: 1}, enqueue: [V3], confirm: 0}}"
    folder = searching(tmp_path, shared_cache, f"{SEARCH}profiles: {{small: {small}}}\n")
    done = folder.run("run_experiment.py", "hunt.yaml", "--profile", "small")
    assert done.returncode == 0, done.stderr
    argv = [sys.executable, "-m", "tempo.cli.main", "search", "export", "hunt", "-o", "found.yaml"]
    done = subprocess.run(
        argv, cwd=folder.path, env=folder.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    done = folder.run("run_experiment.py", "found.yaml", "--profile", "small", "--plan", "--json")
    assert done.returncode == 0, done.stderr
    best = summary_of(folder).best[0]
    ran = {run.run_id for run in summary_of(folder).trial(best).runs}
    assert ran <= set(json.loads(done.stdout)["complete"])


def test_the_plan_shows_space_rules_and_first_trials(folder: Folder) -> None:
    (folder.path / "hunt.yaml").write_text(SEARCH)
    done = folder.run("run_experiment.py", "hunt.yaml", "--plan", "--counts")
    assert done.returncode == 0, done.stderr
    for words in (
        "0.0001 to 0.1, log",
        "V2 (outside the space)",
        "trial-002",
        "parameters <= 1e+06",
        "2 fresh seeds are too few for a verdict; 3 would do",
    ):
        assert words in done.stdout
    assert done.stderr == ""
    assert not folder.records.exists()


def wait_for_steps(folder: Folder, steps: int) -> None:
    """Wait until the runs have logged `steps` steps between them."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        logs = list((folder.records / "runs").glob("*/events.jsonl"))
        if sum(read_run(log.parent).step for log in logs) >= steps:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {steps} steps within {PATIENCE} s")


@pytest.mark.slow
def test_a_killed_driver_costs_nothing_but_its_last_steps(
    tmp_path: Path, shared_cache: Path
) -> None:
    text = SEARCH.replace("  constraints: [parameters <= 1M]\n", "")
    folder = searching(tmp_path, shared_cache, text.replace("confirm: 2", "confirm: 0"))
    for number, steps in ((signal.SIGKILL, 40), (signal.SIGINT, 130)):
        process = folder.start("run_experiment.py", "hunt.yaml", "--slots", "1", "--mlflow", "off")
        wait_for_steps(folder, steps)
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
    done = folder.run("run_experiment.py", "hunt.yaml", "--slots", "1", "--mlflow", "off")
    assert done.returncode == 0, done.stdout + done.stderr
    summary = summary_of(folder)
    assert summary.spent.trials == 5
    names = [trial.variant for trial in summary.trials]
    assert sorted(names) == ["V2", "V3", "trial-002", "trial-003", "trial-004"]
    attempts = [len(read_run(d).attempts) for d in (folder.records / "runs").iterdir()]
    assert max(attempts) >= 2


PRUNED = (
    SEARCH.replace("pruner: none", "pruner: {kind: median, startup: 1}")
    .replace("{trials: 5}", "{trials: 2}")
    .replace("enqueue: [V2, V3]", "enqueue: [V3]")
    .replace("low: 1e-4, high: 1e-1", "low: 1e-8, high: 1e-7")
    .replace("lr: 1e-3, warmup", "lr: 1e-7, warmup")
    .replace("confirm: 2", "confirm: 0")
    .replace("budget: {steps: 60}", "budget: {steps: 3000}")
    .replace("val_every: 20", "val_every: 10")
)


@pytest.mark.slow
def test_all_ranks_of_a_pruned_run_leave_together(tmp_path: Path, shared_cache: Path) -> None:
    """The pruner is made to stop the second trial: the first one is known and far better."""
    text = PRUNED.replace("V3: {}", "V3: {set: {recipe: {lr: 1e-7}}}")
    folder = searching(tmp_path, shared_cache, text)
    script = (
        "import sys\n"
        "import tempo.tuning.stopping_rules as p, optuna\n"
        "p.make_pruner = lambda *a: optuna.pruners.ThresholdPruner(lower=1e9)\n"
        "import tempo.tuning.session as s\n"
        "s.make_pruner = p.make_pruner\n"
        "from tempo.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    text = text.replace("enqueue: [V3]", "enqueue: []").replace("{trials: 2}", "{trials: 1}")
    (folder.path / "hunt.yaml").write_text(text)
    begun = time.monotonic()
    argv = [sys.executable, "-c", script, "run", "hunt.yaml", "--ddp", "2", "--mlflow", "off"]
    done = subprocess.run(
        argv, cwd=folder.path, env=folder.environment(), capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - begun < 250
    (trial,) = summary_of(folder).trials
    assert trial.state == "pruned"
    record = read_run(folder.records / "runs" / trial.runs[0].run_id)
    assert record.finish is not None and record.finish.status == "stopped"
    assert record.attempts[-1].environment["world_size"] == 2
    asked = record.validations[-1]
    assert record.finish.step < 3000 and record.checkpoints[-1].step >= asked.step
    left = [
        p
        for p in psutil.process_iter(["cmdline"])
        if str(folder.path) in " ".join(p.info["cmdline"] or [])
    ]
    assert not left
