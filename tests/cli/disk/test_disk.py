"""`tempo disk` and `tempo clean`: what they show of real records, and what goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tempo
from tempo.cli.main import main
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.records.disk.removals import read_removals
from tempo.records.event_log import EventLog
from tempo.records.events import AttemptStarted, CheckpointSaved, Finished
from tempo.records.layout import Store
from tempo.records.memory.derived_values import NAME
from tests.plain_evaluation import evaluated

KIB = 1024


def _plan(study: str, seeds: range, keep: dict[str, str]) -> Plan:
    return Plan(
        study=study,
        question="",
        profile=None,
        source="study.yaml",
        spec={"study": study, "keep": keep},
        spec_hash="0",
        baseline="a",
        variants=(PlannedVariant(name="a", role="baseline", levels={}, config={"runtime": {}}),),
        runs=tuple(PlannedRun(run_id=f"{seed:08x}", variant="a", seed=seed) for seed in seeds),
        exclusions=(),
    )


def _train(store: Store, seed: int) -> Path:
    folder = store.save_run(RunSpec(run_id=f"{seed:08x}", seed=seed, config={"runtime": {}}))
    with EventLog(folder, 1) as log:
        log.append(AttemptStarted(resumed_step=0, total_steps=4))
        for step in (2, 4):
            path = f"checkpoints/step-{step:08d}-a0001.pt"
            (folder / "checkpoints").mkdir(exist_ok=True)
            (folder / path).write_bytes(b"x" * 100 * KIB)
            log.append(CheckpointSaved(step=step, path=path, sha256="", best=True))
        (folder / "gallery").mkdir()
        (folder / "gallery" / "p.png").write_bytes(b"x" * 50 * KIB)
        log.append(evaluated(2))
        log.append(
            Finished(status="complete", step=4, seconds=1.0, train_seconds=1.0, peak_memory=1)
        )
    return folder


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two studies that share a run, of which one lets checkpoints and pictures go."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    store = Store(tmp_path / "records")
    store.save_plan(_plan("tidy", range(3), {"checkpoints": "best", "galleries": "1 seed"}))
    store.save_plan(_plan("hoard", range(2, 4), {}))
    for seed in range(4):
        _train(store, seed)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "clip.bin").write_bytes(b"x" * 7 * KIB)
    return tmp_path


def test_disk_shows_kinds_studies_and_what_can_go(
    lab: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["disk"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert "800.0 KiB  checkpoints" in said and "200.0 KiB  galleries" in said
    assert "7.0 KiB  cache (prepared data)" in said
    tidy, hoard = (
        next(line.split() for line in said.splitlines() if line.startswith(name))
        for name in ("tidy", "hoard")
    )
    assert tidy[:6] == ["tidy", "3", "600.0", "KiB", "150.0", "KiB"]
    assert hoard[:4] == ["hoard", "2", "400.0", "KiB"]
    assert "A run that several studies share counts for each of them." in said
    # Run 2 is shared with a study that keeps everything; of run 0 the pictures stay.
    assert "The keep policies let 250.0 KiB go, of 2 runs" in said and "clean" in said


def test_disk_lists_the_runs_of_a_study_and_what_is_unknown(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["disk", "hoard"]) == 0
    said = capsys.readouterr().out
    assert "a s2" in said and "a s3" in said and "a s0" not in said and "let" not in said
    assert main(["disk", "hoarde"]) == 2
    assert "known: hoard, tidy" in capsys.readouterr().err
    assert main(["disk", "--records", "nowhere"]) == 2
    assert "no folder of records at nowhere" in capsys.readouterr().err


def test_disk_as_json_equals_the_python_api(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["disk", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    use = tempo.disk_use()
    table = use.table().set_index("kind")["bytes"]
    assert whole["bytes"] == use.bytes == table.sum()
    assert {**whole["kinds"], "cache": whole["cache"], "reports": 0} == table.to_dict()
    assert sum(each["bytes"] for each in whole["expired"]) == use.expired.bytes == 250 * KIB
    assert {each["kind"] for each in whole["expired"]} == {"checkpoints", "galleries"}
    studies = use.table("study").set_index("study")
    assert studies.loc["tidy", "runs"] == 3 and studies.loc["hoard", "galleries"] == 100 * KIB
    runs = use.table("run").set_index("run_id")
    assert runs.loc[f"{2:08x}", "studies"] == "hoard, tidy"
    assert "250.0 KiB go" in repr(use)
    assert main(["disk", "tidy", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert set(one["runs"]) == {f"{seed:08x}" for seed in range(3)}


def test_clean_removes_pictures_that_a_policy_lets_go_and_notes_it(
    lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clean", "--only", "galleries"]) == 0
    said = capsys.readouterr().out
    assert "1 x: pictures of test clips that the keep policy" in said and "50.0 KiB can go" in said
    assert main(["clean", "--only", "galleries", "--yes"]) == 0
    runs = lab / "records" / "runs"
    there = [seed for seed in range(4) if (runs / f"{seed:08x}" / "gallery").is_dir()]
    assert there == [0, 2, 3]
    (note,) = read_removals(runs / f"{1:08x}")
    assert note.policy == "checkpoints: best, galleries: 1 seed"
    # Checkpoints that results do not need may go by this command without a policy.
    assert main(["clean", "--only", "checkpoints", "--yes"]) == 0
    left = sorted(path.name for path in runs.rglob("*.pt"))
    assert left == ["step-00000002-a0001.pt"] * 4
    assert read_removals(runs / f"{3:08x}")[0].policy == "tempo clean"


@pytest.mark.parametrize("study", [(), ("tidy",)])
def test_every_line_fits_a_terminal_of_80_columns(
    lab: Path,
    study: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert main(["status", "tidy"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["disk", *study]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not study or len(lines) > 4
    assert study or "can be deleted at any time" in " ".join(" ".join(lines).split())


def test_what_reading_remembers_is_listed_and_can_go(
    lab: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["clean", "--only", "derived"]) == 0
    assert "0 B can go" in capsys.readouterr().out
    assert main(["status", "tidy"]) == 0
    memory = lab / "records" / NAME
    assert memory.is_file()
    shown = capsys.readouterr().out
    assert main(["disk"]) == 0
    (line,) = (each for each in capsys.readouterr().out.splitlines() if " derived " in each)
    assert line.split()[2:4] == ["derived", "1"] and "can be deleted at any time" in line
    assert main(["clean", "--only", "derived"]) == 0
    assert "1 x: what reading remembers of the records" in capsys.readouterr().out
    assert [item.path.name for item in tempo.clean(only=["derived"]).items] == [NAME]
    assert memory.is_file()
    assert main(["clean", "--only", "derived", "--yes"]) == 0
    assert not memory.exists()
    capsys.readouterr()
    assert main(["status", "tidy"]) == 0
    assert capsys.readouterr().out == shown


def test_clean_keeps_a_checkpoint_that_a_plan_names(lab: Path) -> None:
    named = f"records/runs/{3:08x}/checkpoints/step-00000004-a0001.pt"
    path = lab / "records" / "studies" / "hoard" / "plans"
    plan = next(path.iterdir())
    plan.write_text(plan.read_text().replace('"question": ""', f'"question": "{named}"'))
    assert named in plan.read_text()
    assert main(["clean", "--only", "checkpoints", "--yes"]) == 0
    assert (lab / named).is_file()
    assert not (lab / named.replace(f"{3:08x}", f"{2:08x}")).exists()


@pytest.mark.parametrize("command", ["disk", "clean"])
def test_a_broken_profile_stops_both(
    lab: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (lab / "config" / "tempo").mkdir(parents=True)
    (lab / "config" / "tempo" / "profile.yaml").write_text("keep: {after: soon}\n")
    assert main([command]) == 2
    said = capsys.readouterr().err
    assert "profile.yaml:1:15: keep.after must be a number and a unit" in said


def test_disk_imports_nothing_heavy(lab: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "tempo.cli.main", "disk"]
    done = subprocess.run(command, cwd=lab, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not {"torch", "pandas", "mlflow", "matplotlib"} & loaded
