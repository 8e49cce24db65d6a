"""Which results stand for a run that is asked for now, and what a fresh start makes void."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tempo.core.code_stamp import code_stamp
from tempo.core.records import RunSpec
from tempo.records.event_log import EventLog
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Event,
    Finished,
    ModelBuilt,
    Noted,
    Trained,
    Validated,
)
from tempo.records.layout import Store
from tempo.records.reuse import other_studies, reuse_status
from tempo.records.run_record import read_run

RUNTIME = {"threads": 1, "compile": "off", "micro_batch": "auto", "device": "cpu"}
MINE = {"code_stamp": code_stamp(), "device": "cpu", "world_size": 1, **RUNTIME, "micro_batch": 4}
OTHER = {**MINE, "code_stamp": "0" * 16}


def started(environment: Mapping[str, Any], *, step: int = 0, afresh: bool = False) -> Event:
    return AttemptStarted(resumed_step=step, total_steps=9, environment=environment, afresh=afresh)


def finished(status: str = "complete", step: int = 9, *, cpu_seconds: float | None = None) -> Event:
    return Finished(
        status=status,
        step=step,
        seconds=10,
        train_seconds=8,
        peak_memory=1,
        cpu_seconds=cpu_seconds,
    )


def worked(loss: float, step: int = 9) -> list[Event]:
    return [
        ModelBuilt(parameters=int(loss), macs=1, mac_size=(8, 8)),
        Trained(step=step, clips=step, epoch=1.0, values={"loss": loss}),
        Validated(step=step, clips=step, epoch=1.0, seconds=1.0, values={"psnr": loss}),
        CheckpointSaved(step=step, path="x.pt", sha256="0", best=True),
        Noted(step=step, topic="rollback", message="went back", lasting=True),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Store(tmp_path).save_run(RunSpec(run_id="a", seed=0, config={"runtime": RUNTIME}))


def write(folder: Path, attempt: int, events: Iterable[Event]) -> None:
    with EventLog(folder, attempt) as log:
        for event in events:
            log.append(event)


def test_nothing_is_found_in_an_empty_folder(tmp_path: Path, folder: Path) -> None:
    assert not reuse_status(tmp_path / "no" / "run").complete
    found = reuse_status(folder, RUNTIME)
    assert (found.complete, found.stale, found.beside) == (False, False, ())


def test_a_result_of_this_code_is_reused(folder: Path) -> None:
    write(folder, 1, [started(MINE), *worked(1), finished()])
    assert reuse_status(folder, RUNTIME).reusable(stale_too=False)


def test_a_result_of_other_code_is_reused_only_when_asked(folder: Path) -> None:
    write(folder, 1, [started(OTHER), *worked(1), finished()])
    found = reuse_status(folder, RUNTIME)
    assert found.stale
    assert not found.reusable(stale_too=False)
    assert found.reusable(stale_too=True)


def test_one_attempt_by_other_code_makes_the_whole_result_stale(folder: Path) -> None:
    write(folder, 1, [started(OTHER), *worked(1, step=3)])
    write(folder, 2, [started(MINE, step=3), *worked(2), finished()])
    assert reuse_status(folder).stale


def test_a_fresh_start_leaves_nothing_of_the_old_attempt(folder: Path) -> None:
    write(folder, 1, [started(OTHER), *worked(1), finished()])
    write(folder, 2, [started(MINE, afresh=True), *worked(2, step=4)])
    run = read_run(folder)
    assert not reuse_status(folder).complete
    assert not reuse_status(folder).stale
    assert [each.values["loss"] for each in run.train] == [2]
    assert [each.values["psnr"] for each in run.validations] == [2]
    assert run.model is not None and run.model.parameters == 2
    assert run.step == 4
    assert len(run.notes) == 1
    assert [each.number for each in run.attempts] == [1, 2]
    assert [each.number for each in run.lineage] == [2]
    assert run.train_seconds < 8
    write(folder, 3, [started(MINE, step=4), *worked(3), finished()])
    assert reuse_status(folder).reusable(stale_too=False)
    assert [each.number for each in read_run(folder).lineage] == [2, 3]


def test_processor_time_is_that_of_the_attempts_that_count(folder: Path) -> None:
    write(folder, 1, [started(OTHER), finished("stopped", cpu_seconds=100)])
    write(folder, 2, [started(MINE, afresh=True), finished("stopped", cpu_seconds=7)])
    write(folder, 3, [started(MINE, step=4), *worked(3), finished(cpu_seconds=4)])
    assert read_run(folder).cpu_seconds == 11


def test_processor_time_is_unknown_where_an_attempt_recorded_none(folder: Path) -> None:
    write(folder, 1, [started(MINE), *worked(1, step=3)])
    write(folder, 2, [started(MINE, step=3), *worked(2), finished(cpu_seconds=4)])
    assert read_run(folder).cpu_seconds is None, "a killed attempt"


def test_records_from_before_processor_time_are_read(folder: Path) -> None:
    write(folder, 1, [started(MINE), *worked(1), finished()])
    path = folder / "events.jsonl"
    old = path.read_text().replace(', "cpu_seconds": null', "").replace(',"cpu_seconds":null', "")
    assert "cpu_seconds" not in old
    path.write_text(old)
    assert read_run(folder).cpu_seconds is None


def test_imported_runs_carry_no_stamp_and_are_not_stale(folder: Path) -> None:
    write(folder, 1, [started({"device": "elsewhere"}), *worked(1), finished()])
    assert not reuse_status(folder).stale


@pytest.mark.parametrize(
    ("was", "asked", "said"),
    [
        ({}, {}, ()),
        ({"threads": 2}, {}, ("threads 2 (asked: 1)",)),
        ({"compile": "default"}, {}, ("compile default (asked: off)",)),
        ({"micro_batch": 2}, {"micro_batch": 4}, ("micro_batch 2 (asked: 4)",)),
        ({"device": "NVIDIA H100"}, {}, ("device NVIDIA H100 (asked: cpu)",)),
        ({"device": "NVIDIA H100"}, {"device": "auto"}, ()),
        ({"world_size": 2}, {}, ("world_size 2",)),
    ],
)
def test_reuse_across_machine_settings_is_labelled(
    folder: Path, was: dict[str, Any], asked: dict[str, Any], said: tuple[str, ...]
) -> None:
    write(folder, 1, [started(MINE | was), *worked(1), finished()])
    found = reuse_status(folder, RUNTIME | asked)
    assert found.reusable(stale_too=False)
    assert found.beside == said


def test_runs_of_other_studies_are_known_by_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for study, text in [("one", '"run_id": "ab12"'), ("two", '{"run_id":"ab12"}, "cd34"')]:
        path = store.study_dir(study) / "plans" / "full.json"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert other_studies(store, "three") == {"ab12": ("one", "two")}
    assert other_studies(store, "one") == {"ab12": ("two",)}
