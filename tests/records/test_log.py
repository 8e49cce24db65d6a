"""The event log: whole lines or nothing, superseded events dropped, floats kept exactly."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo.core.errors import RecordError
from tempo.core.records import RunSpec, RunStatus
from tempo.records.event_log import EventLog, Tail, is_complete, last_attempt, read_events
from tempo.records.events import (
    EVENTS,
    AttemptStarted,
    CheckpointSaved,
    Evaluated,
    Finished,
    Logged,
    Trained,
    Validated,
    from_json,
    to_json,
)
from tempo.records.layout import Store
from tempo.records.run_record import read_run


def trained(step: int, loss: float = 0.5) -> Trained:
    return Trained(step=step, clips=step * 4, epoch=step / 10, values={"loss": loss})


def saved(step: int) -> CheckpointSaved:
    return CheckpointSaved(step=step, path=f"checkpoints/{step}.pt", sha256="00", best=False)


def finished(status: str, step: int) -> Finished:
    return Finished(status=status, step=step, seconds=2.0, train_seconds=1.0, peak_memory=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Store(tmp_path).save_run(RunSpec(run_id="a" * 12, seed=0, config={"x": 1}))


@given(st.floats(), st.floats())
def test_every_float_survives(first: float, second: float) -> None:
    logged = Logged(time=1.0, attempt=1, event=trained(3, first))
    back = from_json(to_json(logged)).event
    assert isinstance(back, Trained)
    value = back.values["loss"]
    assert value == first or (math.isnan(value) and math.isnan(first))
    assert to_json(logged)["kind"] in EVENTS
    assert math.isnan(second) or from_json(to_json(logged)).time == 1.0


def test_nested_fields_survive(folder: Path) -> None:
    event = Evaluated(
        split="test",
        step=9,
        checkpoint="best",
        clips=2,
        values={"psnr": math.inf},
        infos={
            "psnr": {
                "name": "psnr",
                "unit": "dB",
                "better": "higher",
                "digits": 2,
                "definition": "mean",
            }
        },
        protocol={"size": (4, 5)},
        protocol_hash="h",
        table="clips.parquet",
        table_sha256="00",
        gallery=({"clip": "c", "target": "gallery/c.png"},),
    )
    with EventLog(folder, 1) as log:
        log.append(event, durable=True)
    assert [logged.event for logged in read_events(folder)] == [event]


def test_an_unfinished_line_is_left_for_later_and_cut_by_the_next_writer(folder: Path) -> None:
    with EventLog(folder, 1) as log:
        log.append(trained(1))
    path = folder / "events.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind":"train","ti')
    assert [logged.event for logged in read_events(folder)] == [trained(1)]
    with EventLog(folder, 2) as log:
        log.append(trained(2))
    assert [logged.event for logged in read_events(folder)] == [trained(1), trained(2)]


def test_a_damaged_line_is_named(folder: Path) -> None:
    with EventLog(folder, 1) as log:
        log.append(trained(1))
    first = (folder / "events.jsonl").stat().st_size
    with (folder / "events.jsonl").open("ab") as file:
        file.write(b"not json\n")
    with pytest.raises(RecordError, match=f"events.jsonl: what begins at byte {first} is no event"):
        list(read_events(folder))


def test_a_resumed_attempt_supersedes_what_came_after_its_checkpoint(folder: Path) -> None:
    with EventLog(folder, 1) as log:
        log.append(AttemptStarted(resumed_step=0, total_steps=30))
        log.append(trained(10, 0.9))
        log.append(saved(10))
        log.append(trained(20, 0.8))
    with EventLog(folder, 2) as log:
        log.append(AttemptStarted(resumed_step=10, total_steps=30))
        log.append(trained(20, 0.7))
        log.append(finished("complete", 30), durable=True)
    record = read_run(folder)
    assert [(event.step, event.values["loss"]) for event in record.train] == [(10, 0.9), (20, 0.7)]
    assert record.status is RunStatus.COMPLETE
    first, second = record.attempts
    assert (first.resumed_step, first.last_step, first.finish) == (0, 20, None)
    assert (second.resumed_step, second.last_step) == (10, 30)
    assert last_attempt(folder) == 2


def test_device_hours_count_each_attempt_by_the_devices_that_it_had(folder: Path) -> None:
    """A run that was stopped on two devices and resumed on four."""
    for attempt, devices in ((1, 2), (2, 4)):
        with EventLog(folder, attempt=attempt) as log:
            resumed = 10 * (attempt - 1)
            environment = {"device": "cpu", "world_size": devices}
            log.append(
                AttemptStarted(resumed_step=resumed, total_steps=20, environment=environment)
            )
            log.append(finished("stopped" if attempt == 1 else "complete", 10 * attempt))
    record = read_run(folder)
    assert record.train_seconds == 2.0
    assert record.device_hours == pytest.approx((1 * 2 + 1 * 4) / 3600)


def test_status_without_an_end_is_stopped(folder: Path) -> None:
    assert read_run(folder).status is RunStatus.PLANNED
    with EventLog(folder, 1) as log:
        log.append(AttemptStarted(resumed_step=0, total_steps=30))
    assert read_run(folder).status is RunStatus.STOPPED


def test_tail_reads_each_event_once_and_follows_the_last_attempt(folder: Path) -> None:
    tail = Tail(folder)
    assert list(tail.read()) == []
    with EventLog(folder, 1) as log:
        log.append(AttemptStarted(resumed_step=0, total_steps=30))
        log.append(trained(10))
        assert [type(logged.event).kind for logged in tail.read()] == ["attempt", "train"]
        assert list(tail.read()) == []
    assert (tail.progress.step, tail.progress.total) == (10, 30)
    with EventLog(folder, 2) as log:
        log.append(AttemptStarted(resumed_step=5, total_steps=30))
        list(tail.read())
    assert (tail.progress.step, tail.progress.first_step) == (5, 5)
    assert tail.progress.rate is None


def test_catching_up_tells_what_reading_every_event_tells(folder: Path) -> None:
    with EventLog(folder, 1) as log:
        log.append(AttemptStarted(resumed_step=0, total_steps=40))
        for step in range(1, 31):
            log.append(trained(step))
            if step % 10 == 0:
                log.append(validated(step, float(step)))
            _compare_tails(folder)
    with EventLog(folder, 3) as log:
        log.append(AttemptStarted(resumed_step=15, total_steps=40))
        _compare_tails(folder)
        log.append(trained(20))
    with EventLog(folder, 1) as log:
        log.append(validated(30, 99.0))
    _compare_tails(folder)
    tail = Tail(folder)
    tail.catch_up()
    assert (tail.progress.step, list(tail.progress.curve)) == (20, [10])
    with EventLog(folder, 3) as log:
        log.append(validated(40, 40.0))
        log.append(finished("complete", 40))
    tail.catch_up()
    assert (tail.progress.step, list(tail.progress.curve)) == (40, [10, 40])
    assert is_complete(folder)
    _compare_tails(folder)


def validated(step: int, psnr: float) -> Validated:
    values = {"psnr": psnr}
    return Validated(step=step, clips=step, epoch=0.1, seconds=1.0, values=values)


def _compare_tails(folder: Path) -> None:
    whole, quick = Tail(folder), Tail(folder)
    assert list(whole.read())
    quick.catch_up()
    assert quick.progress == whole.progress
