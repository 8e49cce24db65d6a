"""The slots of one machine, shared by several invocations: room, order, priority, the dead."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tempo.launch.scheduling import slot_table
from tempo.launch.scheduling.slot_table import Part, SlotTable, default_path, parts_of

Opened = Callable[..., SlotTable]
HALF = {0: Part(places=("cpu",), share=0.5), 1: Part(places=("cpu",), share=0.5)}
WHOLE = {0: Part(places=("cpu",), share=1.0)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shared" / "slots.db"


@pytest.fixture
def opened(path: Path) -> Opened:
    def make(label: str = "study", *, preempt: bool = False) -> SlotTable:
        return SlotTable(path, label, preempt=preempt)

    return make


def of_free(parts: dict[int, Part], *taken: int) -> dict[int, Part]:
    return {slot: part for slot, part in parts.items() if slot not in taken}


def test_what_a_run_takes_of_the_machine() -> None:
    two: list[dict[str, str]] = [{}, {}]
    assert [part.share for part in parts_of(two)] == [0.5, 0.5]
    assert [part.share for part in parts_of([{}], two)] == [0.5]
    assert [part.share for part in parts_of([{}] * 4, two)] == [0.25] * 4
    gpus = [{"CUDA_VISIBLE_DEVICES": name} for name in ("0", "1", "0", "1")]
    assert parts_of(gpus)[0] == Part(places=("GPU 0",), share=0.5)
    pair = parts_of([{"CUDA_VISIBLE_DEVICES": "0,1"}])
    assert pair == [Part(places=("GPU 0", "GPU 1"), share=1.0)]
    (here,) = parts_of([{}])
    assert all(name.startswith("processors") for name in here.places)


def test_two_invocations_share_the_slots(opened: Opened) -> None:
    first, second = opened("first"), opened("second")
    assert first.take(HALF, 0) == 0
    assert second.take(HALF, 0) == 0
    assert first.take(of_free(HALF, 0), 0) is None
    (told,) = first.holders
    assert told == f"1 run of second (process {os.getpid()}, priority 0)"
    second.release(0)
    assert first.take(of_free(HALF, 0), 0) == 1
    assert first.holders == ()
    first.close()
    assert second.take(WHOLE, 0) == 0


def test_the_highest_priority_then_the_longest_wait_is_next(opened: Opened) -> None:
    holder, early, late, high = (opened(name) for name in ("holder", "early", "late", "high"))
    assert holder.take(WHOLE, 5) == 0
    waiting = ((early, 0), (late, 0), (high, 1))
    for table, priority in waiting:
        assert table.take(WHOLE, priority) is None
    holder.release(0)
    for table, priority in waiting[:2]:
        assert table.take(WHOLE, priority) is None
    assert high.take(WHOLE, 1) == 0
    high.release(0)
    assert late.take(WHOLE, 0) is None
    assert early.take(WHOLE, 0) == 0


def test_small_runs_do_not_starve_a_large_one(opened: Opened) -> None:
    small, large = opened("small"), opened("large")
    assert small.take(HALF, 0) == 0
    assert small.take(of_free(HALF, 0), 0) == 1
    assert large.take(WHOLE, 0) is None
    small.release(0)
    assert small.take(of_free(HALF, 1), 0) is None
    small.release(1)
    assert small.take(HALF, 0) is None
    assert large.take(WHOLE, 0) == 0


def test_one_that_withdraws_is_in_front_of_nobody(opened: Opened) -> None:
    holder, high, low = opened(), opened(), opened()
    assert holder.take(WHOLE, 0) == 0
    assert high.take(WHOLE, 9) is None
    holder.release(0)
    assert low.take(WHOLE, 0) is None
    high.withdraw()
    assert low.take(WHOLE, 0) == 0


def test_other_places_are_free(opened: Opened) -> None:
    first, second = opened(), opened()
    gpus = dict(enumerate(parts_of([{"CUDA_VISIBLE_DEVICES": name} for name in "01"])))
    assert first.take(gpus, 0) == 0
    assert second.take(gpus, 0) == 1
    both = {0: parts_of([{"CUDA_VISIBLE_DEVICES": "0,1"}])[0]}
    third = opened()
    assert third.take(both, 0) is None
    first.release(0)
    assert third.take(both, 0) is None
    second.release(1)
    assert third.take(both, 0) == 0


def test_as_few_runs_as_make_room_are_asked_back_the_lowest_first(opened: Opened) -> None:
    low, middle, high = opened("low"), opened("middle"), opened("urgent", preempt=True)
    assert middle.take(HALF, 3) == 0
    assert low.take(HALF, 1) == 0
    assert high.take(HALF, 9) is None
    assert low.asked_back() == {0: "urgent (priority 9)"}
    assert middle.asked_back() == {}
    assert high.take(HALF, 9) is None
    assert middle.asked_back() == {}
    low.release(0)
    assert low.take(HALF, 1) is None
    assert high.take(HALF, 9) == 0


def test_equal_and_higher_priorities_are_never_asked_back(opened: Opened) -> None:
    equal, urgent = opened(), opened(preempt=True)
    assert equal.take(WHOLE, 4) == 0
    assert urgent.take(WHOLE, 4) is None
    assert equal.asked_back() == {}
    patient = opened()
    assert patient.take(WHOLE, 9) is None
    assert equal.asked_back() == {}


def test_nothing_is_asked_back_where_that_would_not_make_room(opened: Opened) -> None:
    low, equal, urgent = opened(), opened(), opened(preempt=True)
    assert low.take(HALF, 0) == 0
    assert equal.take(HALF, 9) == 0
    assert urgent.take(WHOLE, 9) is None
    assert low.asked_back() == {}


def test_slots_of_a_killed_process_are_free(path: Path, opened: Opened) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from tempo.launch.scheduling.slot_table import Part, SlotTable\n"
        "table = SlotTable(Path(sys.argv[1]), 'killed')\n"
        "print(table.take({0: Part(places=('cpu',), share=1.0)}, 7), flush=True)\n"
        "sys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", code, path], stdin=-1, stdout=-1, text=True)
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline() == "0\n"
    table = opened()
    assert table.take(WHOLE, 9) is None
    (told,) = table.holders
    assert told == f"1 run of killed (process {child.pid}, priority 7)"
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    assert table.take(WHOLE, 9) == 0


def test_a_frozen_process_does_not_hold_up_others_for_long(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, frozen, other = opened(), opened(), opened()
    assert holder.take(WHOLE, 0) == 0
    assert frozen.take(WHOLE, 9) is None
    holder.release(0)
    assert other.take(WHOLE, 0) is None
    monkeypatch.setattr(slot_table, "WAITS_SECONDS", -1.0)
    assert other.take(WHOLE, 0) == 0


@pytest.mark.parametrize(
    "content", [b"nothing of the kind" * 100, b"SQLite format 3\0" + b"x" * 999]
)
def test_a_damaged_list_is_named_once_and_slots_are_filled(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    said: list[str] = []
    table = SlotTable(path, say=said.append)
    assert table.take(HALF, 0) == 0
    assert table.take(of_free(HALF, 0), 0) == 1
    assert table.asked_back() == {}
    table.release(0)
    table.close()
    (sentence,) = said
    assert str(path) in sentence and "TEMPO_SLOTS" in sentence


def test_a_list_of_other_columns_is_named(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE taken (driver TEXT)")
    database.close()
    said: list[str] = []
    assert SlotTable(path, say=said.append).take(HALF, 0) == 0
    assert len(said) == 1


def test_where_the_list_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEMPO_SLOTS", str(tmp_path / "mine.db"))
    assert default_path() == tmp_path / "mine.db"
    monkeypatch.setenv("TEMPO_SLOTS", "off")
    assert default_path() is None
    monkeypatch.delenv("TEMPO_SLOTS")
    alone = default_path()
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    within = default_path()
    assert alone is not None and within is not None
    assert alone.parent == within.parent
    assert within.name.endswith("-77.db") and alone != within
