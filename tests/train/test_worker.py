"""What a worker leaves behind, and what it refuses to do."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from tempo.core.errors import RunError
from tempo.core.jobs import BUSY, RESUMABLE
from tempo.core.records import FAILURES, RunStatus
from tempo.ledger.open import open_ledger
from tempo.ledger.port import this_process
from tempo.records.event_log import read_events
from tempo.records.events import CheckpointSaved
from tempo.records.files import sha256_of
from tempo.records.layout import root_of
from tempo.records.run_record import read_run
from tempo.train.optim import trainer
from tempo.train.run import run_folder as worker
from tempo.train.run import stop_request as stop
from tempo.train.run.run_folder import failure_of

from .conftest import Make


def test_a_run_leaves_a_whole_record(undisturbed: Make) -> None:
    folder = undisturbed()
    record = read_run(folder)
    assert record.status is RunStatus.COMPLETE
    assert [each.step for each in record.train] == [3, 6, 9, 12]
    assert [each.step for each in record.validations] == [5, 10, 12]
    assert {"loss", "lr", "grad_norm", "clip_rate", "step_ms", "data_ms"} <= set(
        record.train[0].values
    )
    assert record.train[-1].epoch == 12 * 4 / 12
    environment = record.attempts[0].environment
    assert {"host", "torch", "code_stamp", "threads", "world_size"} <= set(environment)
    assert set(environment["data"]) == {"train", "val", "test"}
    assert record.model is not None and record.model.parameters > 0
    assert all((folder / image.path).is_file() for image in record.images)
    assert record.cpu_seconds is not None and record.cpu_seconds > 0.05


def test_the_table_and_the_gallery_are_those_of_the_event(undisturbed: Make) -> None:
    folder = undisturbed()
    test = read_run(folder).test
    assert test is not None
    assert sha256_of(folder / test.table) == test.table_sha256
    table = pd.read_parquet(folder / test.table)
    known = ["clip", "source", "motion", "occlusion", "target_time"]
    assert list(table.columns) == [*known, *test.values]
    assert (table["target_time"] == 0.5).all()
    # What these clips are too small for has a meaning and no value.
    assert [name for name in test.infos if name in test.values] == list(test.values)
    assert set(test.infos) - set(test.values) == {"ms_ssim"}
    assert len(table) == test.clips == 5
    assert table["psnr"].mean() == pytest.approx(test.values["psnr"], abs=1e-12)
    assert len(test.gallery) == 2
    for entry in test.gallery:
        assert entry["clip"] in set(table["clip"])
        assert {"input0", "input1", "target", "prediction"} <= set(entry)
        pictures = [key for key in entry if key not in {"clip", "prediction_sha256"}]
        assert all((folder / entry[key]).is_file() for key in pictures)
        assert sha256_of(folder / entry["prediction"]) == entry["prediction_sha256"]


def test_a_complete_run_is_never_repeated(undisturbed: Make, cache: Path) -> None:
    folder = undisturbed()
    before = (folder / "events.jsonl").read_bytes()
    assert worker.run(folder, cache) == 0
    assert (folder / "events.jsonl").read_bytes() == before


def test_a_second_worker_leaves_the_run_alone(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make()
    monkeypatch.setattr(worker, "PATIENCE", 0.05)
    ledger = open_ledger(None, root_of(folder))
    token = ledger.claim(folder.name, this_process(), 60)
    assert token is not None
    assert worker.run(folder, cache) == BUSY
    said = capsys.readouterr().err
    assert f"{folder.name} is held by process {os.getpid()} on " in said
    assert not (folder / "events.jsonl").exists()
    ledger.release(folder.name, token)
    assert worker.run(folder, cache) == 0


def test_a_run_that_was_asked_to_stop_is_not_begun(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make()
    monkeypatch.setattr(worker, "PATIENCE", 0.05)
    ledger = open_ledger(None, root_of(folder))
    ledger.ask_to_stop([folder.name])
    assert worker.run(folder, cache) == RESUMABLE
    assert "was asked to stop" in capsys.readouterr().err
    assert not (folder / "events.jsonl").exists()
    ledger.ask_to_stop([folder.name], stop=False)
    assert worker.run(folder, cache) == 0


def test_nothing_is_begun_under_an_objection(
    make: Make, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make()
    assert worker.run(folder, cache, objection=lambda: "the money is spent") == RESUMABLE
    assert capsys.readouterr().err == "the money is spent; nothing was begun\n"
    assert not (folder / "events.jsonl").exists()


def test_an_objection_stops_a_run_in_order_and_it_goes_on_later(
    make: Make, cache: Path, undisturbed: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make()
    monkeypatch.setattr(stop, "PAUSE", 0.001)
    answers: list[str | None] = []

    def objection() -> str | None:
        said = read_run(folder).step >= 3 if (folder / "events.jsonl").exists() else False
        answers.append("the money is spent" if said else None)
        return answers[-1]

    assert worker.run(folder, cache, objection=objection) == RESUMABLE
    record = read_run(folder)
    assert record.status is RunStatus.STOPPED
    finish = record.attempts[0].finish
    assert finish is not None
    assert finish.message == "stopped by the money is spent; the work so far is kept"
    assert 0 < finish.step < 12
    assert worker.run(folder, cache, objection=lambda: None) == 0
    whole = read_run(undisturbed())
    assert [e.values["loss"] for e in read_run(folder).train] == [
        e.values["loss"] for e in whole.train
    ]


@pytest.mark.parametrize("method", ["average", "nearest"])
def test_reference_methods_are_only_evaluated(make: Make, cache: Path, method: str) -> None:
    folder = make(method=method)
    assert worker.run(folder, cache) == 0
    record = read_run(folder)
    assert record.train == () and record.checkpoints == () and record.model is None
    assert record.test is not None and record.test.clips == 5


def test_only_what_is_needed_stays_on_the_disk(make: Make, cache: Path) -> None:
    folder = make(recipe={"budget": {"steps": 30}})
    worker.run(folder, cache)
    record = read_run(folder)
    best = max(record.validations, key=lambda each: each.values["psnr"]).step
    kept = {int(path.stem.split("-")[1]) for path in (folder / "checkpoints").glob("*.pt")}
    assert kept <= {best, 28, 30} and {best, 30} <= kept
    assert record.test is not None and record.test.step == best
    assert not list((folder / "checkpoints").glob("*.tmp"))


@pytest.mark.parametrize("harm", ["truncate", "flip"])
def test_a_damaged_checkpoint_is_passed_over(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    folder = make()

    def broken(self: trainer.Trainer, *args: object, **kwargs: object) -> trainer.Step:
        if args[1] == 9:
            raise RuntimeError("boom")
        return advance(self, *args, **kwargs)  # type: ignore[arg-type]

    advance = trainer.Trainer.advance
    with monkeypatch.context() as patched:
        patched.setattr(trainer.Trainer, "advance", broken)
        assert worker.run(folder, cache) == 1
    newest = folder / "checkpoints" / "step-00000008-a0001.pt"
    content = bytearray(newest.read_bytes())
    if harm == "truncate":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert worker.run(folder, cache) == 0
    record = read_run(folder)
    assert record.attempts[1].resumed_step == 5
    (note,) = [note for note in record.notes if note.topic == "checkpoint"]
    assert "step-00000008-a0001.pt" in note.message and "resumed from step 5" in note.message


def test_a_failure_is_classified_and_explained(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make()

    def broken(*args: object, **kwargs: object) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(trainer.Trainer, "advance", broken)
    assert worker.run(folder, cache) == 1
    finish = read_run(folder).finish
    assert finish is not None and finish.failure == "oom"
    assert finish.message == "MemoryError: no more" and "Traceback" in finish.detail


def test_a_loader_that_is_killed_is_a_lost_process_and_no_bug(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system short of memory kills one of the processes that prepare batches."""
    advance, done = trainer.Trainer.advance, []

    def kill_loader(self: trainer.Trainer, *given: Any, **named: Any) -> Any:
        done.append(1)
        if len(done) == 3:
            for loader in psutil.Process().children():
                loader.kill()
        return advance(self, *given, **named)

    monkeypatch.setattr(trainer.Trainer, "advance", kill_loader)
    folder = make(runtime={"workers": 1})
    assert worker.run(folder, cache) == 1
    finish = read_run(folder).finish
    assert finish is not None and finish.failure == "node", finish
    monkeypatch.undo()
    assert worker.run(folder, cache) == 0


def test_a_second_loader_that_dies_does_not_disturb_the_record_of_the_first(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TwoLoadersError(RuntimeError):
        def __str__(self) -> str:
            os.kill(os.getpid(), signal.SIGCHLD)
            return "DataLoader worker (pid 7) is killed by signal: Killed."

    def raise_for_loader(_signal: int, _frame: object) -> None:
        raise RuntimeError("DataLoader worker (pid 8) is killed by signal: Killed.")

    def lose_loaders(_context: object) -> None:
        signal.signal(signal.SIGCHLD, raise_for_loader)
        raise TwoLoadersError

    before = signal.getsignal(signal.SIGCHLD)
    monkeypatch.setattr(worker, "carry_out", lose_loaders)
    try:
        folder = make()
        assert worker.run(folder, cache) == 1
    finally:
        signal.signal(signal.SIGCHLD, before)
    finish = read_run(folder).finish
    assert finish is not None and finish.failure == "node", finish
    assert "pid 7" in finish.message and "pid 8" not in finish.message + finish.detail


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (RunError("x", "non_finite"), "non_finite"),
        (MemoryError(), "oom"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "oom"),
        (RuntimeError("Connection closed by peer"), "node"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "node"),
        (FileNotFoundError("im1.png"), "data"),
        (KeyboardInterrupt(), "interrupted"),
        (ValueError("x"), "bug"),
    ],
)
def test_failures_have_classes(error: BaseException, failure: str) -> None:
    assert failure_of(error) == failure
    assert failure in FAILURES


def test_checkpoint_events_name_the_best(undisturbed: Make) -> None:
    folder = undisturbed()
    saved = [e.event for e in read_events(folder) if isinstance(e.event, CheckpointSaved)]
    test = read_run(folder).test
    assert test is not None
    assert [each.step for each in saved if each.best][-1] == test.step
