"""`plan` as a user meets it: prices, equal hours, stale and reused results."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import tempo
from tests.cli.conftest import Folder, make_folder

EQUAL = """
base: tiny.yaml
study: equal
question: Which is better in the same time?
factors:
  width: {path: arch.base_channels, levels: {4: 4, 16: 16}}
design: [{kind: factorial, factors: [width]}]
baseline: width=16
equal: gpu_hours
seeds: 1
"""


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Folder:
    folder = make_folder(tmp_path_factory.mktemp("priced"), shared_cache)
    (folder.path / "equal.yaml").write_text(EQUAL)
    return folder


def plan_of(folder: Folder, *arguments: str) -> dict[str, Any]:
    done = folder.run("run_experiment.py", *arguments, "--plan", "--json")
    assert done.returncode == 0, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


@pytest.mark.slow
def test_equal_hours_need_a_price_and_then_have_one(priced: Folder) -> None:
    before = priced.run("run_experiment.py", "equal.yaml", "--plan")
    assert before.returncode == 2
    assert "equal.yaml:9:8: `equal: gpu_hours` needs the price of" in before.stderr
    assert "--price" in before.stderr
    said = plan_of(priced, "equal.yaml", "--price")
    narrow, wide = said["prices"]["width=4"], said["prices"]["width=16"]
    assert wide["price"]["device"] == "cpu"
    assert wide["price"]["step_ms"] > 0
    assert wide["price"]["peak_memory"] > 50 << 20
    assert wide["price"]["steps"] >= 5
    assert wide["run"]["steps"] == 60
    assert narrow["run"]["device_hours"] <= wide["run"]["device_hours"]
    assert said["total"]["runs"] == 4
    assert said["total"]["disk"] > 0
    # The prices are kept, so the budgets are now part of the plan.
    again = plan_of(priced, "equal.yaml")
    budget = again["variants"][0]["config"]["recipe"]["budget"]
    assert budget == {"steps": narrow["run"]["steps"], "epochs": None, "clips": None}
    assert [run["run_id"] for run in again["runs"]] == [run["run_id"] for run in said["runs"]]


@pytest.mark.slow
def test_prices_are_shown_as_columns_and_not_measured_twice(priced: Folder) -> None:
    shown = priced.run("run_experiment.py", "tiny.yaml", "--plan", "--price", "--counts")
    assert shown.returncode == 0, shown.stderr
    for column in ("parameters", "MACs", "activations", "ms/step", "memory", "hours/run"):
        assert column in shown.stdout
    assert "CPU-hours on cpu" in shown.stdout
    kept = {path: path.read_text() for path in (priced.records / "prices").glob("*.json")}
    said = plan_of(priced, "tiny.yaml", "--price")
    assert set(said["prices"]) == {"se=on", "se=off", "average", "nearest"}
    assert {path: path.read_text() for path in kept} == kept


@pytest.mark.slow
def test_ctrl_c_during_pricing_leaves_nothing_half_written(priced: Folder) -> None:
    process = priced.start("run_experiment.py", "tiny.yaml", "--plan", "--reprice")
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode in {0, 130}
    assert "Traceback" not in out
    assert not list((priced.records / "prices").glob(".*"))


def starts(log: Path) -> list[dict[str, Any]]:
    """The starts of a run's attempts."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return [each for each in events if each["kind"] == "attempt"]


@pytest.mark.slow
def test_results_of_other_code_are_stale_and_made_again_unless_asked(folder: Folder) -> None:
    small = ["tiny.yaml", "--set", "recipe.budget.steps=4", "--set", "seeds=1"]
    run = [*small, "--mlflow", "off", "--slots", "2"]
    assert folder.run("run_experiment.py", *run).returncode == 0
    logs = list(folder.records.glob("runs/*/events.jsonl"))
    for log in logs:
        stamp = starts(log)[0]["environment"]["code_stamp"]
        log.write_text(log.read_text().replace(stamp, "0" * 16))
    said = plan_of(folder, *small)
    assert said["complete"] == []
    assert len(said["stale"]) == len(logs) == 4
    assert len(plan_of(folder, *small, "--reuse-stale")["complete"]) == 4
    # What will be made again is shown as work to do, and has to be within the budget.
    printed = folder.run("run_experiment.py", *run, "--dry-run").stdout
    assert all(log.parent.name in printed for log in logs)
    printed = folder.run("run_experiment.py", *run, "--dry-run", "--reuse-stale").stdout
    assert printed == "Nothing to launch: every run is complete\n"
    gpu = ("--set", "runtime.device=cuda", "--set", "budget.gpu_hours=1", "--launcher", "slurm")
    refused = folder.run("run_experiment.py", *run, *gpu)
    assert refused.returncode == 2
    assert "budget.gpu_hours needs a price for" in refused.stderr
    assert folder.run("run_experiment.py", *run, "--reuse-stale").returncode == 0
    assert all(len(starts(log)) == 1 for log in logs)
    assert folder.run("run_experiment.py", *run).returncode == 0
    for log in logs:
        assert [each["afresh"] for each in starts(log)] == [False, True]
    after = plan_of(folder, *small)
    assert (len(after["complete"]), after["stale"]) == (4, [])


@pytest.mark.slow
def test_runs_done_by_another_study_are_shown_as_reused(folder: Folder) -> None:
    text = (folder.path / "tiny.yaml").read_text()
    (folder.path / "other.yaml").write_text(text.replace("study: tiny", "study: other"))
    small = ("--set", "recipe.budget.steps=4", "--set", "seeds=1")
    before = plan_of(folder, "other.yaml", *small)
    runs = [run["run_id"] for run in before["runs"]]
    assert (len(runs), before["complete"]) == (4, [])
    done = folder.run("run_experiment.py", "tiny.yaml", *small, "--mlflow", "off", "--slots", "2")
    assert done.returncode == 0, done.stderr
    after = plan_of(folder, "other.yaml", *small)
    assert after["study"] == "other"
    assert [run["run_id"] for run in after["runs"]] == runs
    assert sorted(after["complete"]) == sorted(runs)
    shown = folder.run("run_experiment.py", "other.yaml", *small, "--plan").stdout
    assert "4 runs, 4 complete" in shown
    # A run under a setting that changes its result is another run: the references are left.
    slower = plan_of(folder, "other.yaml", *small, "--set", "recipe.lr=1e-4")
    assert sorted(slower["complete"]) == sorted(
        run["run_id"] for run in after["runs"] if run["seed"] is None
    )


def test_thousands_of_runs_print_as_a_page(folder: Folder) -> None:
    done = folder.run("run_experiment.py", "tiny.yaml", "--plan", "--set", "seeds=2000")
    assert done.returncode == 0, done.stderr
    assert "... and 3,802 more runs; --json lists all" in done.stdout
    assert "4,002 runs, 0 complete" in done.stdout


def test_a_plan_shows_the_rule_before_it_is_fixed(tmp_path: Path, shared_cache: Path) -> None:
    folder = make_folder(tmp_path, shared_cache)
    rule = ("--set", "verdict={metrics: [psnr, ssim], alpha: 0.1}")
    shown = folder.run("run_experiment.py", "tiny.yaml", "--plan", *rule)
    assert shown.returncode == 0, shown.stderr
    assert "Rule, which is fixed when the study starts: PSNR and SSIM on the" in shown.stdout
    assert "10 % error rate over all contrasts" in " ".join(shown.stdout.split())
    assert plan_of(folder, "tiny.yaml", *rule)["rule"]["metrics"] == ["psnr", "ssim"]
    assert not folder.records.exists() or not list(folder.records.glob("studies/*/verdicts"))


def test_a_plan_shows_the_priorities_that_the_spec_gives(folder: Folder) -> None:
    spec = (folder.path / "tiny.yaml").read_text()
    done = folder.run("run_experiment.py", "tiny.yaml", "--plan")
    assert done.returncode == 0 and "priority" not in done.stdout, done.stderr
    assert plan_of(folder, "tiny.yaml")["priorities"] == {}
    (folder.path / "tiny.yaml").write_text(spec + "priority: {'se=on': 7}\n")
    done = folder.run("run_experiment.py", "tiny.yaml", "--plan")
    rows = {line.split()[0]: line.split()[-1] for line in done.stdout.splitlines() if "se=" in line}
    assert "priority" in done.stdout and rows["se=on"] == "7", done.stdout
    assert plan_of(folder, "tiny.yaml")["priorities"]["se=on"] == 7
    table = tempo.load_study(folder.path / "tiny.yaml", records=folder.records).plan().table()
    assert set(table.loc[table["variant"] == "se=on", "priority"]) == {7}
    assert set(table.loc[table["variant"] != "se=on", "priority"]) == {0}
