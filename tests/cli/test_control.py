"""Status, logs, stop, retry and clean: what they say of records, and what they change."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import tempo
from tempo.cli.main import main
from tempo.core.records import Plan, PlannedRun
from tempo.design.expand import expand
from tempo.ledger.folder_use import unused, using
from tempo.ledger.port import this_process
from tempo.ledger.sql import SqliteLedger
from tempo.records.event_log import EventLog
from tempo.records.events import (
    LOST_LEASE,
    AttemptStarted,
    CheckpointSaved,
    Finished,
    Validated,
)
from tempo.records.layout import Store
from tempo.spec.load import load_study
from tempo.workflow.control import has_failed as failed
from tempo.workflow.control import status_of
from tempo.workflow.disk.keeping import size_text
from tempo.workflow.verdicts import record_rule
from tests.plain_evaluation import evaluated

from .conftest import ROOT, TINY

MIB = 2**20


class Study:
    """A planned study, whose runs a test lets happen."""

    def __init__(self, folder: Path) -> None:
        (folder / "tiny.yaml").write_text(TINY)
        self.folder, self.store = folder, Store(folder / "records")
        self.plan: Plan = expand(load_study(folder / "tiny.yaml"))
        self.store.save_plan(self.plan)
        self.ledger = SqliteLedger(self.store.root / "ledger.db")

    def run(self, title: str) -> PlannedRun:
        return next(run for run in self.plan.distinct_runs if run.title == title)

    def train(self, title: str, *steps: int, end: str | None = None) -> Path:
        """Validate at `steps` (at PSNR 20 + step / 10), then end as `complete` or `failed`."""
        run = self.run(title)
        folder = self.store.save_run(self.plan.spec_of(run))
        environment = {"host": "far", "pid": 7, "device": "cpu"}
        with EventLog(folder, 1) as log:
            log.append(AttemptStarted(resumed_step=0, total_steps=60, environment=environment))
            for step in steps:
                values = {"psnr": 20 + step / 10}
                log.append(Validated(step=step, clips=step, epoch=0.1, seconds=1.0, values=values))
                path = f"checkpoints/step-{step:08d}-a0001.pt"
                (folder / "checkpoints").mkdir(exist_ok=True)
                (folder / path).write_bytes(b"x" * MIB)
                log.append(CheckpointSaved(step=step, path=path, sha256="", best=True))
            if end == "complete":
                log.append(evaluated(max(steps)))
            if end:
                log.append(_finished(end, max(steps, default=0)))
        (folder / "attempts").mkdir(exist_ok=True)
        (folder / "attempts" / "1.log").write_text(f"hello from {title}\n")
        return folder

    def hold(self, title: str) -> int:
        token = self.ledger.claim(self.run(title).run_id, this_process(), 60.0)
        assert token is not None
        return token

    def call(self, *argv: str) -> int:
        return main([*argv, "--records", str(self.store.root)])


def _finished(status: str, step: int) -> Finished:
    failed = status == "failed"
    return Finished(
        status=status,
        step=step,
        seconds=5.0,
        train_seconds=4.0,
        peak_memory=300 * MIB,
        failure="data" if failed else None,
        message="no such file" if failed else "",
    )


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    study = Study(tmp_path)
    yield study
    study.ledger.close()


def _status(study: Study, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert study.call("status", "tiny", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    shown_by = {f"{run['variant']} s{run['seed']}": run for run in shown["runs"]}
    return {"": shown, **shown_by}


def test_status_tells_states_metrics_and_the_common_step(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    study.train("se=on s0", 20, 40, 60, end="complete")
    study.train("se=off s0", 20, 40)
    study.train("se=on s1", 20, end="failed")
    token = study.hold("se=off s0")
    shown = _status(study, capsys)
    states = {name: run["state"] for name, run in shown.items() if name}
    assert states == {
        "se=on s0": "complete",
        "se=off s0": "running",
        "se=on s1": "failed",
        "se=off s1": "planned",
        "average sNone": "planned",
        "nearest sNone": "planned",
    }
    assert shown[""]["common_step"] == 20
    complete, running = shown["se=on s0"], shown["se=off s0"]
    assert (complete["value"], complete["value_at_common_step"]) == (26.0, 22.0)
    assert complete["memory_bytes"] == 300 * MIB
    assert (running["step"], running["steps"], running["attempt"]) == (40, 60, 1)
    assert running["where"] == f"{this_process().host} {this_process().pid}"
    assert running["memory_bytes"] and running["eta_s"] is not None
    assert (shown["se=on s1"]["failure"], shown["se=off s1"]["step"]) == ("data", 0)
    study.ledger.release(study.run("se=off s0").run_id, token)
    assert _status(study, capsys)["se=off s0"]["state"] == "stopped"


def test_status_says_by_which_rule_the_study_is_judged(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.call("status", "tiny") == 0
    assert "Rule" not in capsys.readouterr().out
    record_rule(study.store, study.plan, pytest.fail)
    (line,) = _status(study, capsys)[""]["rule"]
    assert line.startswith("Rule, fixed on ") and "before any result: PSNR on the test" in line
    assert study.call("status", "tiny") == 0
    assert "before any result: PSNR on the test clips" in capsys.readouterr().out


def test_status_names_the_studies_there_are(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study.call("status") == 0
    assert capsys.readouterr().out == "tiny: 0 of 6 complete, 6 planned\n"
    assert study.call("status", "tinny") == 2
    assert "no study 'tinny'" in capsys.readouterr().err


def test_logs_by_title_by_prefix_and_by_mistake(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    study.train("se=off s0", 20, 40, end="failed")
    assert study.call("logs", "se=off", "s0") == 0
    shown = capsys.readouterr().out
    assert "step 40  validation  psnr 24" in shown
    assert "failed (data) at step 40  no such file" in shown
    assert shown.endswith("hello from se=off s0\n")
    assert study.call("logs", study.run("se=off s0").run_id[:6], "-f") == 0
    assert capsys.readouterr().out == shown
    assert study.call("logs", "se=of s0") == 2
    assert "did you mean 'se=off s0'?" in capsys.readouterr().err
    assert study.call("logs", "se=on s0") == 2
    assert "has not begun" in capsys.readouterr().err


def test_stop_asks_what_runs_and_what_waits_and_nothing_complete(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    study.train("se=on s0", 60, end="complete")
    study.hold("se=off s0")
    assert study.call("stop", "tiny") == 0
    said = capsys.readouterr().out
    assert f"stopping  se=off s0 ({study.run('se=off s0').run_id})" in said
    assert "4 more will not begin until the study's command is given again" in said
    holds = study.ledger.holds([run.run_id for run in study.plan.distinct_runs])
    assert study.run("se=on s0").run_id not in holds
    assert all(hold.asked_to_stop for hold in holds.values()) and len(holds) == 5
    assert _status(study, capsys)["se=off s0"]["state"] == "stopping"


def test_one_run_is_stopped_alone(study: Study) -> None:
    assert study.call("stop", "se=off", "s1") == 0
    assert list(study.ledger.holds([run.run_id for run in study.plan.distinct_runs])) == [
        study.run("se=off s1").run_id
    ]


def test_retry_is_for_what_failed(study: Study) -> None:
    study.train("se=on s0", 60, end="complete")
    study.train("se=on s1", 20, end="failed")
    study.train("se=off s0", 20)
    chosen = [run.title for run in study.plan.distinct_runs if failed(study.store, run)]
    assert chosen == ["se=on s1"]


def _clean(study: Study, *options: str) -> int:
    reports, cache = study.folder / "reports", study.folder / "cache"
    return study.call("clean", *options, "--reports", str(reports), "--cache", str(cache))


def _files(study: Study) -> list[Path]:
    """All files but the ledger, which a look into it may create."""
    return sorted(path for path in study.folder.rglob("*") if "ledger" not in path.name)


def test_clean_shows_first_and_keeps_what_results_and_reports_need(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    complete = study.train("se=on s0", 20, 40, end="complete")
    resumable = study.train("se=off s0", 20, 40)
    study.train("se=on s1", 20)
    orphans = [study.store.root / "runs" / name for name in ("0" * 12, "1" * 12)]
    for orphan in orphans:
        orphan.mkdir()
        (orphan / "run.json").write_text("{}")
    (study.folder / "reports" / "old").mkdir(parents=True)
    (study.folder / "reports" / "old" / "index.html").write_text(f"<td>{'1' * 12}</td>")
    (study.folder / "cache" / "procedural" / "train").mkdir(parents=True)
    before = _files(study)
    assert _clean(study) == 0
    said = capsys.readouterr().out
    assert "nothing was deleted" in said and "1.0 MiB" in said
    assert "cited by" in said and "cache" not in said
    assert _files(study) == before
    assert _clean(study, "--yes") == 0
    assert [path.name for path in (complete / "checkpoints").iterdir()] == [
        "step-00000040-a0001.pt"
    ]
    assert not list((complete / "attempts").iterdir())
    assert len(list((resumable / "checkpoints").iterdir())) == 2
    assert (resumable / "attempts" / "1.log").is_file()
    assert [orphan.is_dir() for orphan in orphans] == [False, True]
    assert _clean(study, "--yes", "--cited") == 0
    assert not orphans[1].exists()


USER = """
import sys
from pathlib import Path
from tempo.ledger.folder_use import using
with using(*map(Path, sys.argv[1:])):
    print("using", flush=True)
    sys.stdin.read()
"""


def test_clean_keeps_what_a_study_that_begins_may_need(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in study.plan.distinct_runs:
        study.train(run.title, 20, end="complete")
    orphan = study.store.root / "runs" / ("0" * 12)
    orphan.mkdir()
    (orphan / "run.json").write_text("{}")
    cache = study.folder / "cache"
    (cache / "procedural" / "train").mkdir(parents=True)
    command = [sys.executable, "-c", USER, str(cache), str(study.store.root)]
    user = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert user.stdout is not None and user.stdout.readline() == "using\n"
    assert _clean(study, "--yes") == 0
    said = capsys.readouterr().out
    assert f"a process uses {cache} now" in said and f"uses {study.store.root} now" in said
    assert orphan.is_dir() and (cache / "procedural" / "train").is_dir()
    # Killed, it gives its locks back.
    user.kill()
    user.wait()
    assert _clean(study, "--yes") == 0
    assert not orphan.exists() and not (cache / "procedural" / "train").exists()


def test_clean_lets_go_what_a_cluster_was_asked_for_once_its_runs_are_complete(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = {run.title: run.run_id for run in study.plan.distinct_runs}
    asked = {
        "ray/done": {"metadata": {"tempo_run": ids["se=on s0"]}},
        "ray/paused": {"metadata": {"tempo_run": ids["se=on s1"]}},
        "ray/to-come": {"metadata": {"tempo_run": ids["se=off s1"]}},
        "ray/tend": {"entrypoint": "tempo tend tiny"},
        "slurm/both": {"keys": [ids["se=on s0"], ids["se=on s1"]]},
    }
    for name, text in asked.items():
        folder = study.store.root / name
        folder.mkdir(parents=True)
        kind = "request" if name.startswith("ray") else "array"
        (folder / f"{kind}.json").write_text(json.dumps(text))
    study.train("se=on s0", 20, end="complete")
    study.train("se=on s1", 20)
    left = lambda: {name for name in asked if (study.store.root / name).is_dir()}  # noqa: E731
    assert _clean(study, "--only", "submissions", "--yes") == 0
    assert "1 x: what a cluster was asked for" in capsys.readouterr().out
    assert left() == set(asked) - {"ray/done"}
    study.train("se=on s1", 40, end="complete")
    assert _clean(study, "--only", "submissions", "--yes") == 0
    assert left() == {"ray/to-come", "ray/tend"}, (
        "what tends the study is needed by what is to come"
    )
    for title in set(ids) - {"se=on s0", "se=on s1"}:
        study.train(title, 20, end="complete")
    assert _clean(study, "--only", "submissions", "--yes") == 0
    assert left() == set()


def test_cleaning_in_python_is_that_of_the_command(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    complete = study.train("se=on s0", 20, 40, end="complete")
    folders = {"reports": study.folder / "reports", "cache": study.folder / "cache"}
    found = tempo.clean(study.store.root, **folders)
    assert _clean(study) == 0
    assert f"{size_text(found.bytes)} can go" in capsys.readouterr().out
    assert not found.deleted and set(found.table()["kind"]) == {"checkpoints", "logs"}
    assert (complete / "attempts" / "1.log").is_file()
    gone = tempo.clean(study.store.root, **folders, only=["logs"], delete=True)
    assert gone.deleted and [item.path for item in gone.items] == [complete / "attempts" / "1.log"]
    assert not (complete / "attempts" / "1.log").exists()
    assert len(list((complete / "checkpoints").iterdir())) == 2
    with pytest.raises(tempo.RecordError, match=r"unknown kind of file 'log'.*logs"):
        tempo.clean(study.store.root, **folders, only=["log"], delete=True)  # type: ignore[list-item]


def test_a_folder_that_is_used_is_left_as_it_was_found(tmp_path: Path) -> None:
    there, made, filled = tmp_path / "there", tmp_path / "made", tmp_path / "filled"
    there.mkdir()
    with using(there, made, filled):
        with unused(made) as free:
            assert not free
        (filled / "file").touch()
    assert there.is_dir() and not made.exists() and filled.is_dir()
    with unused(there) as free, unused(made) as absent:
        assert free and absent


def test_clean_leaves_a_held_run_alone(study: Study) -> None:
    folder = study.store.root / "runs" / ("2" * 12)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    token = study.ledger.claim(folder.name, this_process(), 60.0)
    assert token is not None
    assert _clean(study, "--yes") == 0
    assert folder.is_dir()
    study.ledger.release(folder.name, token)
    assert _clean(study, "--yes") == 0
    assert not folder.exists()


@pytest.mark.parametrize("argv", [["status", "tiny"], ["stop", "tiny"], ["clean"]])
def test_control_imports_nothing_heavy(study: Study, argv: list[str]) -> None:
    command = ["-X", "importtime", "-m", "tempo.cli.main", *argv]
    done = subprocess.run(
        [sys.executable, *command, "--records", str(study.store.root)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "tempo.launch.scheduling.pool" in imported or "tempo.ledger.port" in imported
    assert not {"torch", "mlflow", "optuna", "matplotlib", "pandas"} & imported


def test_a_lost_attempt_is_told_by_status(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    """From the record alone: in the headline, under the table, in JSON, and in Python."""
    title = study.plan.distinct_runs[0].title
    folder = study.train(title, 10, 20)
    why = "the lease of x could not be renewed (no route to host)"
    with EventLog(folder, 1) as log:
        log.append(replace(_finished("stopped", 25), failure=LOST_LEASE, message=why))
    assert study.call("status", study.plan.study) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{why}; it goes on from its last checkpoint, of step 20" in said
    with EventLog(folder, 2) as log:
        log.append(AttemptStarted(resumed_step=20, total_steps=60))
        log.append(_finished("stopped", 30))
    assert study.call("status", study.plan.study) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert ", 1 attempt lost" in said
    assert f"{title}: attempt 1 was lost: {why}, and the next one went on from step 20" in said
    with EventLog(folder, 3) as log:
        log.append(AttemptStarted(resumed_step=20, total_steps=60))
        log.append(evaluated(60))
        log.append(_finished("complete", 60))
    assert study.call("status", study.plan.study) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{title}: attempt 1 was lost: {why}, and the next one went on from step 20" in said
    assert study.call("status", study.plan.study, "--json") == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    (run,) = [each for each in runs if each["lost_attempts"]]
    assert run["lost_attempts"] == [{"attempt": 1, "why": why, "next_step": 20}]
    assert run["broken_off"] == 1
    table = status_of(study.plan, study.store).table()
    assert list(table["lost"][table["run_id"] == run["run_id"]]) == [1]
