"""Resumed equals uninterrupted, bit for bit."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tempo.core.jobs import RESUMABLE
from tempo.core.records import RunStatus
from tempo.records.event_log import read_events
from tempo.records.run_record import read_run
from tempo.train.run import run_folder as worker
from tempo.train.run import training_loop as loop
from tempo.train.run.stop_request import StopRequest

from .conftest import Make, final_state, start

MACHINE = {
    "data_ms",
    "step_ms",
    "samples_per_s",
    "forward_ms",
    "backward_ms",
    "optimiser_ms",
    "peak_memory_mib",
}
"""Figures of the clock and the memory, which no two runs share."""


def of_machine(name: str) -> bool:
    return name in MACHINE or name.startswith("system/")


def flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        parts = [flat(item, f"{path}/{key}") for key, item in value.items()]
        return {key: item for part in parts for key, item in part.items()}
    if isinstance(value, list | tuple):
        return flat(dict(enumerate(value)), path)
    return {path: value}


def same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    return bool(first == second)


def differences(first: Path, second: Path) -> list[str]:
    """What two finished runs do not share: state, reports, evaluation."""
    one, two = flat(final_state(first)), flat(final_state(second))
    states = [
        key
        for key in one.keys() | two.keys()
        if not any(clock in key for clock in (*MACHINE, "seconds"))
        and not same(one.get(key), two.get(key))
    ]
    mine, theirs = read_run(first), read_run(second)
    reports = [
        (a.step, name)
        for a, b in zip(mine.train, theirs.train, strict=True)
        for name in a.values
        if not of_machine(name) and (a.step, a.values[name]) != (b.step, b.values.get(name))
    ]
    validations = [
        a.step
        for a, b in zip(mine.validations, theirs.validations, strict=True)
        if (a.step, a.values) != (b.step, b.values)
    ]
    pictures = [a.key for a in mine.images] != [b.key for b in theirs.images]
    pictures |= any(
        (first / a.path).read_bytes() != (second / b.path).read_bytes()
        for a, b in zip(mine.images, theirs.images, strict=False)
    )
    tests = evaluation_of(first) != evaluation_of(second)
    return [*states, *map(str, reports), *map(str, validations)] + ["test"] * (tests or pictures)


def evaluation_of(folder: Path) -> tuple[Any, ...]:
    """The evaluation of a run with the content of its files in place of their names, which differ
    between attempts."""
    test = read_run(folder).test
    assert test is not None
    pictures = [
        [(folder / text).read_bytes() if (folder / text).is_file() else text for text in e.values()]
        for e in test.gallery
    ]
    return replace(test, table="", gallery=()), pictures


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Ask the next worker of this process to stop after `step` steps."""
    original = loop.Training._after_step

    def after(self: loop.Training, *, stopping: bool, saving: bool = False) -> None:
        if self.progress.step == step and not stopping and self.journal.train_seconds:
            self.stop.signal, stopping = "SIGTERM", True
        original(self, stopping=stopping, saving=saving)

    monkeypatch.setattr(loop.Training, "_after_step", after)


@pytest.mark.parametrize(
    ("precision", "step"), [("fp32", 1), ("fp32", 4), ("fp32", 10), ("bf16", 7)]
)
def test_stopped_at_any_step_ends_in_the_same_bits(
    make: Make,
    undisturbed: Make,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    step: int,
) -> None:
    recipe = {"precision": precision}
    whole, parts = undisturbed(recipe=recipe), make(recipe=recipe)
    with monkeypatch.context() as patched:
        interrupt_at(patched, step)
        assert worker.run(parts, cache) == RESUMABLE
    assert read_run(parts).status is RunStatus.STOPPED
    assert worker.run(parts, cache) == 0
    assert read_run(parts).attempts[1].resumed_step == step
    assert differences(whole, parts) == []


def test_killed_workers_resume_near_where_they_died(
    make: Make, undisturbed: Make, cache: Path
) -> None:
    killed = make()
    for target in (4, 8):
        process = start(killed, cache)
        while not any(getattr(each.event, "step", 0) >= target for each in read_events(killed)):
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        process.communicate()
    assert worker.run(killed, cache) == 0
    record = read_run(killed)
    every = 4
    for died, next_one in zip(record.attempts, record.attempts[1:], strict=False):
        assert next_one.resumed_step >= died.last_step - every
    assert record.attempts[-1].resumed_step > 0
    assert differences(undisturbed(), killed) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_signals_leave_a_resumable_run(make: Make, cache: Path, number: signal.Signals) -> None:
    folder = make(recipe={"budget": {"steps": 5000}})
    process = start(folder, cache)
    while not any(getattr(each.event, "step", 0) >= 3 for each in read_events(folder)):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == RESUMABLE, error.decode()
    record = read_run(folder)
    assert record.status is RunStatus.STOPPED
    assert record.finish is not None and number.name in record.finish.message
    assert record.checkpoints[-1].step == record.finish.step


def test_a_stop_during_validation_validates_again(
    make: Make, undisturbed: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = make()
    original = loop.Training._validate

    def stopped(self: loop.Training) -> None:
        self.stop.signal = "SIGTERM"
        original(self)

    with monkeypatch.context() as patched:
        patched.setattr(loop.Training, "_validate", stopped)
        assert worker.run(parts, cache) == RESUMABLE
    assert read_run(parts).validations == ()
    assert worker.run(parts, cache) == 0
    assert differences(undisturbed(), parts) == []


def test_a_signal_while_a_run_is_prepared_ends_it_at_once(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make()

    def endless(*args: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    begun = time.monotonic()
    with monkeypatch.context() as patched:
        patched.setattr("tempo.train.run.attempt.open_split", endless)
        assert worker.run(folder, cache) == RESUMABLE
    assert time.monotonic() - begun < 30
    assert read_run(folder).status is RunStatus.STOPPED
    assert worker.run(folder, cache) == 0


def test_a_request_outside_the_main_thread_can_still_be_set() -> None:
    request = StopRequest()
    assert not request
    request.receive(signal.SIGUSR2, None)
    assert request and request.signal == "SIGUSR2"
