"""A whole study through the command line, undisturbed and disturbed."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

import pandas as pd
import psutil
import pytest

from tempo.core.errors import RecordError
from tempo.core.records import RunStatus
from tempo.ledger.open import open_ledger
from tempo.ledger.port import is_active
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord, read_run

from .conftest import ROOT, Folder

PATIENCE = 120.0


def records_of(folder: Folder) -> dict[str, RunRecord]:
    store = Store(folder.records)
    plan = store.load_plan("tiny")
    return {run.title: read_run(store.run_dir(run.run_id)) for run in plan.distinct_runs}


def results(folder: Folder) -> dict[str, object]:
    """All that must not depend on what happened on the way: metrics of every run, bit by bit."""
    out: dict[str, object] = {}
    for title, record in records_of(folder).items():
        assert record.test is not None
        table = pd.read_parquet(record.folder / record.test.table)
        curve = [(event.step, dict(event.values)) for event in record.validations]
        losses = [(event.step, event.values["loss"]) for event in record.train]
        out[title] = (dict(record.test.values), table.to_dict(), curve, losses)
    return out


def modified(folder: Folder) -> dict[str, int]:
    return {title: run.folder.stat().st_mtime_ns for title, run in records_of(folder).items()}


def wait_until_steps(folder: Folder, steps: int) -> None:
    """Wait until the study's runs have logged `steps` steps between them."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            done = sum(record.step for record in records_of(folder).values())
        except (RecordError, OSError):
            done = 0
        if done >= steps:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {steps} steps within {PATIENCE} s")


def workers_below(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def all_gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=30)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="session")
def undisturbed(
    finished: tuple[Folder, subprocess.CompletedProcess[str]],
) -> dict[str, object]:
    return results(finished[0])


def test_one_command_trains_compares_and_reports(
    finished: tuple[Folder, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = finished
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("se=on", "se=off", "average", "nearest", "PSNR", "SSIM", "inconclusive"):
        assert word in done.stdout
    report = folder.path / "reports" / "tiny"
    assert str(Path("reports/tiny/index.html")) in done.stdout
    for name in ("index.html", "report.md", "table.csv"):
        assert (report / name).stat().st_size > 500
    assert list((report / "figures").glob("*.png")) and list((report / "figures").glob("*.pdf"))
    for title, record in records_of(folder).items():
        assert record.status is RunStatus.COMPLETE, title
        assert len(record.attempts) == 1
        assert record.test is not None
        assert len(pd.read_parquet(record.folder / record.test.table)) == 6
        assert len(record.test.gallery) == 2
        for kept in record.test.gallery:
            pictures = [key for key in kept if key not in {"clip", "prediction_sha256"}]
            assert all((record.folder / kept[key]).is_file() for key in pictures)


def test_the_mlflow_store_holds_the_study(
    finished: tuple[Folder, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = finished
    uri = f"sqlite:///{folder.records}/mlflow.db"
    script = f"""
import json, mlflow
client = mlflow.MlflowClient("{uri}")
(experiment,) = [e for e in client.search_experiments() if e.name == "tiny"]
runs = client.search_runs([experiment.experiment_id])
print(json.dumps({{r.info.run_name: [r.info.status, r.data.metrics] for r in runs}}))
"""
    out = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=folder.path
    )
    assert out.returncode == 0, out.stderr[-2000:]
    shown = json.loads(out.stdout.splitlines()[-1])
    for title, record in records_of(folder).items():
        status, metrics = shown[title]
        assert status == "FINISHED"
        assert record.test is not None
        assert metrics["test/psnr"] == pytest.approx(record.test.values["psnr"], rel=1e-12)
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("MLflow:")]
    assert re.search(r"tempo ui tiny\b", told)


def test_a_finished_study_is_never_repeated(
    finished: tuple[Folder, subprocess.CompletedProcess[str]], undisturbed: dict[str, object]
) -> None:
    folder, _ = finished
    before = {
        title: record.folder.stat().st_mtime_ns for title, record in records_of(folder).items()
    }
    again = folder.run("run_experiment.py", "tiny.yaml", "--mlflow", "off")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "started" not in again.stdout
    after = records_of(folder)
    assert modified(folder) == before
    assert all(len(record.attempts) == 1 for record in after.values())
    assert results(folder) == undisturbed


def test_compare_rebuilds_the_report_without_torch(
    finished: tuple[Folder, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    folder, _ = finished
    blocked = tmp_path / "torch"
    blocked.mkdir()
    (blocked / "__init__.py").write_text("raise ImportError('compare must not import torch')")
    done = subprocess.run(
        folder.argv("compare.py", "tiny", "--reports", str(tmp_path / "again")),
        cwd=folder.path,
        env={**folder.environment(), "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "again" / "tiny" / "index.html").is_file()
    by_path = folder.run("compare.py", str(folder.records), "--no-report")
    assert by_path.returncode == 0
    assert "se=off" in by_path.stdout


def test_ctrl_c_keeps_the_work_and_the_same_command_finishes_it(
    folder: Folder, undisturbed: dict[str, object]
) -> None:
    process = folder.start("run_experiment.py", "tiny.yaml", "--mlflow", "off")
    wait_until_steps(folder, 40)
    children = workers_below(process.pid)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, output
    assert "the same command continues" in output
    assert "Traceback" not in output
    assert all_gone(children)
    stopped = records_of(folder)
    assert any(record.status is RunStatus.STOPPED for record in stopped.values())
    done = folder.run("run_experiment.py", "tiny.yaml", "--mlflow", "off")
    assert done.returncode == 0, done.stdout + done.stderr
    for title, record in records_of(folder).items():
        if stopped[title].status is RunStatus.STOPPED and stopped[title].step > 0:
            assert record.attempts[-1].resumed_step == stopped[title].step
    assert results(folder) == undisturbed


def test_sigkill_of_everything_loses_at_most_a_checkpoint_interval(
    folder: Folder, undisturbed: dict[str, object]
) -> None:
    seed = int(os.environ.get("TEMPO_CHAOS_SEED", "7"))
    moments = random.Random(seed).sample(range(20, 200), 3)
    for moment in sorted(moments):
        process = folder.start("run_experiment.py", "tiny.yaml", "--mlflow", "off")
        wait_until_steps(folder, moment)
        family = [psutil.Process(process.pid), *workers_below(process.pid)]
        for member in family:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait(timeout=PATIENCE)
        assert all_gone(family)
    done = folder.run("run_experiment.py", "tiny.yaml", "--mlflow", "off")
    assert done.returncode == 0, done.stdout + done.stderr
    for title, record in records_of(folder).items():
        for before, attempt in zip(record.attempts, record.attempts[1:], strict=False):
            if before.last_step > 0:
                assert attempt.resumed_step >= before.last_step - 10, title
    assert results(folder) == undisturbed


@pytest.mark.slow
def test_sigkill_of_the_parent_alone_leaves_no_orphan(
    folder: Folder, undisturbed: dict[str, object]
) -> None:
    process = folder.start("run_experiment.py", "tiny.yaml", "--mlflow", "off")
    wait_until_steps(folder, 30)
    children = workers_below(process.pid)
    assert children
    process.kill()
    process.wait(timeout=PATIENCE)
    assert all_gone(children)
    done = folder.run("run_experiment.py", "tiny.yaml", "--mlflow", "off")
    assert done.returncode == 0, done.stdout + done.stderr
    assert results(folder) == undisturbed


@pytest.mark.slow
def test_the_death_of_the_fork_server_is_survived(
    folder: Folder, undisturbed: dict[str, object]
) -> None:
    process = folder.start("run_experiment.py", "tiny.yaml", "--mlflow", "off")
    wait_until_steps(folder, 30)
    (server,) = [
        child
        for child in psutil.Process(process.pid).children()
        if any("forkserver" in word for word in child.cmdline())
    ]
    assert server.children()
    server.kill()
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    assert results(folder) == undisturbed


@pytest.mark.slow
def test_two_invocations_share_a_study_and_stop_reaches_both(
    folder: Folder, undisturbed: dict[str, object]
) -> None:
    command = ("run_experiment.py", "tiny.yaml", "--mlflow", "off", "--slots", "2")
    both = [folder.start(*command), folder.start(*command)]
    wait_until_steps(folder, 40)
    children = [child for process in both for child in workers_below(process.pid)]
    stop = subprocess.run(
        [sys.executable, "-m", "tempo.cli.main", "stop", "tiny"],
        cwd=folder.path,
        env=folder.environment(),
        capture_output=True,
        text=True,
    )
    assert stop.returncode == 0 and "stopping" in stop.stdout, stop.stdout + stop.stderr
    said = [process.communicate(timeout=PATIENCE)[0] for process in both]
    assert [process.returncode for process in both] == [130, 130], said
    assert all("the same command continues" in output for output in said)
    assert all_gone(children)
    again = [folder.start(*command), folder.start(*command)]
    said = [process.communicate(timeout=PATIENCE)[0] for process in again]
    assert [process.returncode for process in again] == [0, 0], said
    assert results(folder) == undisturbed
    with closing(open_ledger(None, folder.records)) as ledger:
        for record in records_of(folder).values():
            spans = ledger.spans(record.run_id)
            for before, after in pairwise(spans):
                assert before.last is not None and before.last <= after.first, record.run_id


def family_of(folder: Folder) -> set[int]:
    """Every process that works in the folder: children inherit where their parent stands."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(folder.path) and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
    return found


def shared_memory_of(pids: set[int]) -> list[str]:
    """Names in /dev/shm that carry one of these process ids."""
    folder = Path("/dev/shm")
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [name for name in names if pids & {int(n) for n in re.findall(r"\d+", name)}]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["success", "failure", "SIGINT", "SIGTERM", "twice", "SIGKILL"])
def test_nothing_is_left_behind(folder: Folder, end: str) -> None:
    if end == "failure":
        listed = json.loads(folder.run("run_experiment.py", "tiny.yaml", "--plan", "--json").stdout)
        for run in listed["runs"]:
            victim = Store(folder.records).run_dir(run["run_id"])
            victim.mkdir(parents=True, exist_ok=True)
            (victim / "checkpoints").write_text("in the way")
    process = folder.start("run_experiment.py", "tiny.yaml")
    if end not in {"success", "failure"}:
        wait_until_steps(folder, 20)
    pids = family_of(folder)
    if end == "SIGKILL":
        process.kill()
    elif end == "twice":
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
    elif end.startswith("SIG"):
        process.send_signal(getattr(signal, end))
    output, _ = process.communicate(timeout=PATIENCE)
    deadline = time.monotonic() + 30.0
    while family_of(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not family_of(folder), output
    assert not shared_memory_of(pids | {process.pid}), output
    with closing(open_ledger(None, folder.records)) as ledger:
        plan = Store(folder.records).load_plan("tiny")
        holds = ledger.holds([run.run_id for run in plan.distinct_runs])
        assert not [key for key, hold in holds.items() if is_active(hold)]


def test_a_failing_variant_is_shown_and_does_not_take_the_study_down(folder: Folder) -> None:
    store = Store(folder.records)
    plan_only = folder.run("run_experiment.py", "tiny.yaml", "--plan", "--json")
    plan = json.loads(plan_only.stdout)
    (victim,) = [r["run_id"] for r in plan["runs"] if (r["variant"], r["seed"]) == ("se=off", 1)]
    # A file where the run wants a folder: the run fails, whatever the reason may be in real life.
    store.run_dir(victim).mkdir(parents=True)
    (store.run_dir(victim) / "checkpoints").write_text("in the way")
    done = folder.run("run_experiment.py", "tiny.yaml", "--mlflow", "off")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED    se=off s1" in done.stdout
    assert "1/2" in done.stdout
    statuses = {title: record.status for title, record in records_of(folder).items()}
    assert statuses["se=off s1"] is RunStatus.FAILED
    assert [status for title, status in statuses.items() if title != "se=off s1"] == [
        RunStatus.COMPLETE
    ] * 5


def test_what_is_missing_is_said_before_anything_is_trained(folder: Folder) -> None:
    done = subprocess.run(
        folder.argv("run_experiment.py", str(ROOT / "ablations" / "se_dilation.yaml")),
        cwd=folder.path,
        env={**folder.environment(), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    for words in ("no CUDA device", "vimeo_triplet", "--profile demo", "--profile smoke"):
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder.records / "runs").exists()
    assert not (folder.records / "studies").exists()


HALF_ADDED = """
from typing import Literal
from tempo.spec.arch_slots import BLOCKS
from tempo.spec.options import Options, register

class Half(Options):
    kind: Literal["half"] = "half"

register(BLOCKS, Half)
"""
"""A block whose options somebody registered, and whose class they forgot."""


def test_a_broken_variant_is_named_before_anything_is_trained(
    folder: Folder, tmp_path: Path
) -> None:
    (folder.path / "broken.yaml").write_text(
        "base: tiny.yaml\nstudy: broken\n"
        "variants: {odd: {set: {arch: {block: half}}}}\n"
        "design: [{kind: factorial, factors: [se]}, {kind: list, variants: [odd]}]\n"
    )
    start = tmp_path / "start"
    start.mkdir()
    (start / "sitecustomize.py").write_text(HALF_ADDED)
    done = subprocess.run(
        folder.argv("run_experiment.py", "broken.yaml", "--mlflow", "off"),
        cwd=folder.path,
        env={**folder.environment(), "PYTHONPATH": f"{start}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "nothing was trained" in done.stderr
    assert "variant 'odd': unknown block 'half'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder.records / "runs").exists()
