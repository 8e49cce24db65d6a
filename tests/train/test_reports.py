"""What training says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tempo.records.events import Validated
from tempo.records.run_record import read_run
from tempo.train.optim.trainer import Step
from tempo.train.run import run_folder as worker
from tempo.train.run.batch_stream import Horizon
from tempo.train.run.milestones import milestones
from tempo.train.run.progress_reports import Meters, Reports
from tempo.train.run.system_metrics import SystemMeter

from .conftest import Make

CPU = torch.device("cpu")
PLAN = Horizon(steps=100, batch=4, train_clips=40)


def done(loss: float = 1.0, *, applied: bool = True) -> Step:
    return Step(loss, {"l1": loss}, 1e-3, 0.5, False, applied, False)


def test_meters_are_means_since_the_last_report_and_survive_a_checkpoint() -> None:
    meters = Meters()
    meters.add({"a": 1.0, "b": 4.0})
    copy = Meters()
    copy.load(meters.state())
    for each in (meters, copy):
        each.add({"a": 2.0})
        assert each.drain() == {"a": 1.5, "b": 4.0}
        assert each.drain() == {}


def test_speed_counts_the_global_batch() -> None:
    reports = Reports(PLAN, SystemMeter(CPU))
    reports.begin(10, 5.0)
    for _ in range(5):
        reports.add(done(), 0.001)
    event = reports.trained(15, 6.0, {"forward_ms": 40.0})
    assert event is not None
    assert event.values["samples_per_s"] == 20.0 and event.values["step_ms"] == 200.0
    assert event.values["data_ms"] == pytest.approx(1.0)
    assert event.values["forward_ms"] == 40.0
    assert (event.clips, event.epoch) == (60, 1.5)
    assert reports.trained(15, 6.0, {}) is None


def test_a_step_that_was_left_out_does_not_spoil_the_means() -> None:
    reports = Reports(PLAN, SystemMeter(CPU))
    reports.begin(0, 0.0)
    reports.add(done(2.0), 0.0)
    reports.add(done(float("nan"), applied=False), 0.0)
    event = reports.trained(2, 1.0, {})
    assert event is not None
    assert event.values["loss"] == 2.0 and event.values["skipped"] == 0.5


def test_waiting_for_data_is_noted_once() -> None:
    reports = Reports(PLAN, SystemMeter(CPU))
    reports.begin(0, 0.0)
    notes = []
    for step, waited in ((1, 0.5), (2, 0.0), (3, 0.2), (4, 0.2)):
        reports.add(done(), waited)
        event = reports.trained(step, float(step), {})
        assert event is not None
        notes.append(reports.waiting(event))
    assert [note is None for note in notes] == [True, True, False, True]
    assert "20%" in notes[2].message


def curve(*psnr: float, every: int = 10) -> list[Validated]:
    return [
        Validated(step=n, clips=n, epoch=float(every * n), seconds=0.0, values={"psnr": value})
        for n, value in enumerate(psnr, 1)
    ]


def test_milestones_are_read_off_the_curve() -> None:
    found = milestones(curve(28.0, 29.0, 30.0, 31.0, 31.5, 31.52, 31.51, 31.54))
    assert found == {
        "psnr_at_epoch_20": 29.0,
        "psnr_at_epoch_50": 31.5,
        "plateau_epoch": 50.0,
        "plateau_psnr": 31.5,
    }
    assert milestones(curve(28.0, 29.0)) == {"psnr_at_epoch_20": 29.0}
    assert milestones([]) == {}


def test_phases_of_a_sampled_step_are_reported(undisturbed: Make) -> None:
    values = read_run(undisturbed()).train[0].values
    parts = [values[f"{name}_ms"] for name in ("forward", "backward", "optimiser")]
    assert all(part > 0 for part in parts)
    assert values["peak_memory_mib"] > 0


def test_profiled_steps_leave_a_trace(make: Make, cache: Path) -> None:
    folder = make(runtime={"profile_steps": [2, 3]})
    assert worker.run(folder, cache) == 0
    (note,) = [each for each in read_run(folder).notes if each.topic == "profile"]
    assert note.path is not None and note.step == 3
    trace = json.loads((folder / note.path).read_text())
    assert any("conv" in event.get("name", "") for event in trace["traceEvents"])
