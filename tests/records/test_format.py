"""Records carry the number of their format: older ones are read, newer ones are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tempo.core.errors import FormatError
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.records.event_log import EventLog, read_events
from tempo.records.events import AttemptStarted, Claimed, Finished
from tempo.records.files import FORMAT
from tempo.records.layout import Store, load_run, read_plan
from tempo.records.reuse import reuse_status

SPEC = RunSpec(run_id="r1", seed=0, config={"method": "network"})
PLAN = Plan(
    study="s",
    question="why?",
    profile=None,
    source="s.yaml",
    spec={},
    spec_hash="abc",
    baseline="a",
    variants=(PlannedVariant(name="a", role="baseline", levels={}, config=SPEC.config),),
    runs=(PlannedRun(run_id="r1", variant="a", seed=0),),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run with a plan."""
    store = Store(tmp_path)
    store.save_plan(PLAN)
    made = store.save_run(SPEC)
    with EventLog(made, 1) as log:
        log.append(Claimed(host="h", pid=1))
        log.append(AttemptStarted(resumed_step=0, total_steps=3))
        log.append(Finished(status="complete", step=3, seconds=1, train_seconds=1, peak_memory=1))
    return made


def with_format(path: Path, number: int | None) -> None:
    """Rewrite each JSON object of a file that has a format with another one, or without."""
    whole = path.suffix == ".json"
    text = path.read_text()
    values = [json.loads(each) for each in ([text] if whole else text.splitlines())]
    assert any("format" in value for value in values)
    for value in values:
        if value.pop("format", None) and number is not None:
            value["format"] = number
    path.write_text("".join(f"{json.dumps(v, separators=(',', ':'))}\n" for v in values))


def plan_of(folder: Path) -> Path:
    return folder.parents[1] / "studies" / "s" / "plans" / "default.json"


def test_what_is_written_carries_the_format(folder: Path) -> None:
    assert json.loads((folder / "run.json").read_text())["format"] == FORMAT
    assert json.loads(plan_of(folder).read_text())["format"] == FORMAT
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [line.get("format") for line in lines] == [FORMAT, FORMAT, None]


def test_records_without_a_number_are_read_as_they_were(folder: Path) -> None:
    events = list(read_events(folder))
    for path in (folder / "run.json", folder / "events.jsonl", plan_of(folder)):
        with_format(path, None)
    assert load_run(folder) == SPEC
    assert read_plan(plan_of(folder)) == Store(folder.parents[1]).load_plan("s") == PLAN
    assert [each.event for each in read_events(folder)] == [each.event for each in events]
    assert reuse_status(folder).complete


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("run.json", load_run),
        ("events.jsonl", lambda folder: list(read_events(folder))),
        ("plan", lambda folder: Store(folder.parents[1]).load_plan("s")),
    ],
)
def test_records_of_a_newer_version_are_refused_with_what_to_do(
    folder: Path, name: str, read: Callable[[Path], Any]
) -> None:
    path = plan_of(folder) if name == "plan" else folder / name
    with_format(path, FORMAT + 1)
    with pytest.raises(FormatError, match="install the newer version of Tempo") as caught:
        read(folder)
    assert str(path) in str(caught.value) and f"its format is {FORMAT + 1}" in str(caught.value)


@pytest.mark.parametrize("name", ["run.json", "plan"])
def test_the_command_line_refuses_newer_records_with_code_2(folder: Path, name: str) -> None:
    with_format(plan_of(folder) if name == "plan" else folder / name, FORMAT + 1)
    root = Path(__file__).parents[2]
    command = [sys.executable, str(root / "compare.py"), "s", "--records", str(folder.parents[1])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 2
    assert "written by a newer version of Tempo" in done.stderr
    assert "Traceback" not in done.stderr
