"""Whole studies that share one machine: the higher priority is next, and one that gave way is as
good as one that was never disturbed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tempo
from tempo.core.records import RunStatus
from tempo.launch.scheduling.slot_table import SlotTable, parts_of
from tempo.records.events import CheckpointSaved, Finished
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord, read_run
from tests.tiny_study import TINY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE = 300.0

HOLDER = """
import sys, time
from pathlib import Path
from tempo.launch.scheduling.slot_table import SlotTable, parts_of
table = SlotTable(Path(sys.argv[1]), "urgent", preempt=True)
while table.take(dict(enumerate(parts_of([{}]))), 9) is None:
    time.sleep(0.05)
print("taken", flush=True)
sys.stdin.read()
"""
"""Takes the whole machine, and has runs of lower priority leave."""


def until(met: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture
def slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEMPO_SLOTS", str(tmp_path / "slots.db"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "slots.db"


def spec(name: str, steps: int, priority: str = "") -> Path:
    path = Path(f"{name}.yaml")
    text = TINY.replace("steps: 4}", f"steps: {steps}}}").replace("val_every: 2", "val_every: 50")
    path.write_text(f"study: {name}\n{text}seeds: 1\n{priority}")
    return path


@pytest.fixture
def begun() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begin `tempo run` in a process, which is ended with the test."""
    children: list[subprocess.Popen[str]] = []

    def begin(name: str, *options: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "tempo.cli.main", "run", f"{name}.yaml", "--mlflow", "off"]
        with Path(f"{name}.log").open("w") as log:
            child = subprocess.Popen([*words, *options], stdout=log, stderr=log, text=True)
        children.append(child)
        return child

    yield begin
    for child in children:
        if child.poll() is None:
            child.terminate()
        child.wait(60)


def record(root: str, name: str) -> RunRecord:
    store = Store(Path(root))
    (run,) = store.load_plan(name).distinct_runs
    return read_run(store.run_dir(run.run_id))


def test_a_run_that_gave_way_and_went_on_is_bit_equal(
    slots: Path, begun: Callable[..., subprocess.Popen[str]]
) -> None:
    spec("low", 150)
    low = begun("low", "--records", "disturbed")
    folder = Path("disturbed/runs")
    until(lambda: '"kind":"train"' in "".join(p.read_text() for p in folder.glob("*/events.jsonl")),
          "the run trains")  # fmt: skip
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, slots], stdin=-1, stdout=-1, text=True)
    assert holder.stdout is not None and holder.stdin is not None
    assert holder.stdout.readline() == "taken\n"
    until(lambda: "gave way" in Path("low.log").read_text(), "the run gives way")
    stopped = record("disturbed", "low")
    assert stopped.status is RunStatus.STOPPED and 0 < stopped.step < 150
    assert isinstance(stopped.checkpoints[-1], CheckpointSaved)
    # The list has no rows of a process that was killed, so that the run goes on.
    holder.kill()
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    assert low.wait(PATIENCE) == 0
    said = Path("low.log").read_text()
    assert "for urgent (priority 9); it goes on from there when a slot is free" in said
    disturbed = record("disturbed", "low")
    outcome = tempo.load_study("low.yaml", records="alone", mlflow="off").run(
        observer=tempo.SilentObserver()
    )
    assert outcome.complete
    alone = record("alone", "low")
    assert len(disturbed.attempts) == 2 and len(alone.attempts) == 1
    assert isinstance(disturbed.finish, Finished)
    assert disturbed.run_id == alone.run_id
    assert disturbed.test is not None and alone.test is not None
    assert disturbed.test.weights == alone.test.weights != ""
    assert disturbed.test.values == alone.test.values
    assert [each.values for each in disturbed.validations] == [
        each.values for each in alone.validations
    ]


def test_the_higher_priority_takes_the_next_slot(
    slots: Path, begun: Callable[..., subprocess.Popen[str]]
) -> None:
    spec("first", 4)
    spec("second", 4, "priority: {second: 5}\n")
    table = SlotTable(slots, "holder")
    whole = dict(enumerate(parts_of([{}])))
    assert table.take(whole, 99) == 0
    first = begun("first", "--slots", "1")
    until(lambda: "waiting for a slot" in Path("first.log").read_text(), "the first one waits")
    second = begun("second", "--slots", "1", "--priority", "1")
    until(lambda: "waiting for a slot" in Path("second.log").read_text(), "the second one waits")
    said = Path("second.log").read_text()
    assert f"1 run of holder (process {os.getpid()}, priority 99)" in said.replace("\n", " ")
    table.close()
    assert (first.wait(PATIENCE), second.wait(PATIENCE)) == (0, 0)
    begins = [record("records", name).attempts[0].started for name in ("second", "first")]
    assert begins == sorted(begins)
    assert tempo.open_records().runs("second")["status"].tolist() == ["complete"]
