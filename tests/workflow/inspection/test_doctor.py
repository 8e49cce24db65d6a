"""`tempo doctor`: what is broken on purpose is found, and nothing is left behind."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

import tempo
from tempo.cli.main import main
from tempo.workflow.inspection import doctor as module
from tempo.workflow.inspection import installation, machine_checks
from tempo.workflow.inspection.finding import Finding
from tempo.workflow.inspection.installation import Dependency, version_lines


def look(root: Path, **options: Any) -> dict[str, Finding]:
    options = {"devices": False, "reports": root / "reports", "cache": root / "cache"} | options
    found = tempo.doctor(records=root / "records", **options)
    return {each.topic: each for each in found.findings}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MLFLOW_TRACKING_URI", "TEMPO_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_a_sound_machine_is_healthy_and_nothing_is_left_behind(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert {each.state for each in found.values()} <= {"ok", "note", "warning"}
    assert found["ledger"].state == "ok" and "will be made" in found["MLflow"].found
    assert list(tmp_path.iterdir()) == []


def test_a_broken_ledger_store_plan_and_profile_are_named(tmp_path: Path) -> None:
    records = tmp_path / "records"
    (records / "studies" / "gone" / "plans").mkdir(parents=True)
    (records / "studies" / "gone" / "plans" / "default.json").write_text("{broken")
    (records / "studies" / "gone" / "current").write_text("default\n")
    for name in ("ledger.db", "mlflow.db"):
        (records / name).write_bytes(b"no database at all, but a text" * 100)
    (tmp_path / "config" / "tempo").mkdir(parents=True)
    (tmp_path / "config" / "tempo" / "slurm.yaml").write_text("partitoin: gpu\n")
    found = look(tmp_path)
    states = {topic: found[topic].state for topic in ("ledger", "MLflow", "studies")}
    assert states == {"ledger": "failure", "MLflow": "warning", "studies": "failure"}
    assert "gone" in found["studies"].found and found["slurm profile"].state == "failure"
    assert "partition" in found["slurm profile"].found


def test_a_ledger_of_no_kind_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPO_LEDGER", "redis://ann:hunter2@db/0")
    found = look(tmp_path)
    assert found["ledger"].state == "failure" and "no kind of ledger" in found["ledger"].found
    told = json.dumps([(each.found, dict(each.values)) for each in found.values()], default=str)
    assert "hunter2" not in told and "***" in told


def test_a_store_that_does_not_answer_is_a_warning(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = look(tmp_path, mlflow=f"http://127.0.0.1:{port}")
    assert found["MLflow"].state == "warning" and "tempo sync" in found["MLflow"].advice


def test_a_full_disk_and_one_that_cannot_be_written_are_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda _: usage(100, 99, 1))
    assert machine_checks.disk_finding("records", tmp_path).state == "failure"

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(machine_checks.tempfile, "TemporaryDirectory", refuse)
    found = machine_checks.disk_finding("records", tmp_path / "not" / "there")
    assert found.state == "failure" and "Read-only file system" in found.found


def test_a_clock_that_is_wrong_or_drifts_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = machine_checks.time.time()
    monkeypatch.setattr(machine_checks.time, "time", lambda: now + 60)
    assert machine_checks.clock_finding(tmp_path).state == "warning"
    monkeypatch.setattr(machine_checks.time, "time", lambda: 0.0)
    assert machine_checks.clock_finding(tmp_path).state == "failure"


def test_packages_that_are_too_old_or_missing_are_failures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = Dependency(name="numpy", asked=">=1.26", installed="1.20")
    gone = Dependency(name="av", asked=">=13", installed=None)
    fits = Dependency(name="torch", asked=">=2.9", installed="2.13.0+cpu")
    assert fits.problem == "" and ">=1.26" in old.problem and "not installed" in gone.problem
    monkeypatch.setattr(module, "dependencies", lambda: (old, gone, fits))
    assert look(tmp_path)["packages"].state == "failure"


def test_a_gpu_that_computes_wrongly_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = {"name": "X", "memory": 2**34, "capability": "9.0", "problem": "computed 1 and 2"}
    answer = {"torch": "2", "cuda": "12", "cpu": "", "gpus": [gpu], "threads": 1}
    monkeypatch.setattr(machine_checks, "_ask_worker", lambda: (answer, ""))
    found = {each.topic: each for each in machine_checks.device_findings()}
    assert found["GPU 0"].state == "failure" and found["CPU"].state == "ok"
    monkeypatch.setattr(machine_checks, "_ask_worker", lambda: ({}, "No module named 'torch'"))
    (only,) = machine_checks.device_findings()
    assert only.state == "failure" and "No module" in only.found


def test_a_driver_without_a_gpu_in_torch_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"torch": "2", "cuda": None, "cpu": "", "gpus": [], "threads": 1}
    monkeypatch.setattr(machine_checks, "_ask_worker", lambda: (answer, ""))
    monkeypatch.setattr(machine_checks, "lacks_gpu_driver", lambda: False)
    found = {each.topic: each for each in machine_checks.device_findings()}
    assert found["driver"].state == "warning" and "without CUDA" in found["driver"].found


def test_a_worker_says_what_computes() -> None:
    """The real process."""
    found = {each.topic: each for each in machine_checks.device_findings()}
    assert found["torch"].state == "ok" and found["CPU"].state == "ok"
    assert found["torch"].values["threads"] == 1


def test_the_command_has_an_exit_code_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--no-devices"]) == 0
    assert "Nothing would fail" in capsys.readouterr().out
    monkeypatch.setenv("TEMPO_LEDGER", "nonsense")
    assert main(["doctor", "--no-devices", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["healthy"] is False and told["installation"]["tempo"] == tempo.__version__
    assert [each["topic"] for each in told["findings"] if each["state"] == "failure"] == ["ledger"]


def test_the_first_line_of_the_version_is_short_and_stable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"tempo {tempo.__version__}" and max(map(len, lines)) <= 80
    said = "\n".join(lines)
    assert "code stamp" in said and "torch" in said
    monkeypatch.setattr(installation, "commit", dict)
    assert "not a checkout" in version_lines()[1]
