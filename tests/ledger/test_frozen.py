"""A worker that was frozen while another took its run over changes nothing that counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tempo.core.jobs import BUSY
from tempo.core.records import RunStatus
from tempo.ledger.open import open_ledger
from tempo.ledger.sql import SqlLedger
from tempo.records.event_log import NAME, EventLog, read_events
from tempo.records.events import Claimed, Event, Finished
from tempo.records.layout import root_of
from tempo.records.run_record import read_run
from tempo.train.run import run_folder as worker

from ..train.conftest import Make, cache, make, start, undisturbed
from ..train.test_resume import differences

__all__ = ["cache", "make", "undisturbed"]

TTL = "3"


def files(folder: Path) -> dict[Path, bytes]:
    """All that a run's folder holds, but its log."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(folder): path.read_bytes() for path in found}


def expire(folder: Path) -> None:
    """Let the ledger believe that the holder of a run has been silent for long."""
    ledger = open_ledger(None, root_of(folder))
    assert isinstance(ledger, SqlLedger)
    ledger._run("UPDATE tempo_lease SET expires = expires - 100000 RETURNING key")
    ledger.close()


def spans(folder: Path) -> list[tuple[int, int | None]]:
    ledger = open_ledger(None, root_of(folder))
    found = [(span.first, span.last) for span in ledger.spans(folder.name)]
    ledger.close()
    return found


@pytest.mark.parametrize(
    "moment",
    ["claim", "attempt", "train", "val", "checkpoint", "evaluation", "finish"],
)
def test_frozen_before_a_write_and_unaware_of_it(
    make: Make, undisturbed: Make, cache: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The worst case: a virtual machine that was paused does not even see that time passed. It
    writes its event, and goes on to the end of the run, after another worker completed it."""
    monkeypatch.setenv("TEMPO_LEASE_SECONDS", "300")
    folder = make()
    append = EventLog.append
    seen: list[dict[Path, bytes]] = []

    def frozen(self: EventLog, event: Event, *, durable: bool = False) -> None:
        if event.kind == moment and not seen:
            seen.append({})
            expire(folder)
            assert worker.run(folder, cache) == 0
            seen[0] = files(folder)
        append(self, event, durable=durable)

    with monkeypatch.context() as patched:
        patched.setattr(EventLog, "append", frozen)
        code = worker.run(folder, cache)
    assert code == (0 if moment == "finish" else BUSY)
    assert seen[0].items() <= files(folder).items()
    record = read_run(folder)
    assert record.status is RunStatus.COMPLETE
    assert record.attempts[-1].number == 2
    assert len([each for each in read_events(folder) if isinstance(each.event, Finished)]) == 1
    assert differences(undisturbed(), folder) == []
    before = (folder / NAME).read_bytes()
    assert worker.run(folder, cache) == 0
    assert (folder / NAME).read_bytes() == before


def wait_for(folder: Path, step: int, process: subprocess.Popen[bytes]) -> None:
    while not any(getattr(each.event, "step", 0) >= step for each in read_events(folder)):
        assert process.poll() is None
        time.sleep(0.01)


@pytest.fixture
def quick_leases(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TEMPO_LEASE_SECONDS", TTL)
    yield


@pytest.mark.slow
@pytest.mark.usefixtures("quick_leases")
def test_a_frozen_worker_is_replaced_and_publishes_nothing(
    make: Make, undisturbed: Make, cache: Path
) -> None:
    over = {"recipe": {"budget": {"steps": 60}}}
    folder, whole = make(**over), undisturbed(**over)
    process = start(folder, cache)
    wait_for(folder, 8, process)
    process.send_signal(signal.SIGSTOP)
    assert worker.run(folder, cache) == BUSY
    while (code := worker.run(folder, cache)) == BUSY:
        time.sleep(0.1)
    assert code == 0
    before, kept = (folder / NAME).read_bytes(), files(folder)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == BUSY
    assert "taken over" in said.decode()
    assert (folder / NAME).read_bytes() == before and files(folder) == kept
    assert differences(whole, folder) == []
    record = read_run(folder)
    (first, second) = record.attempts
    assert second.resumed_step >= 8 and first.finish is None
    assert spans(folder) == [(0, second.resumed_step), (second.resumed_step, 60)]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_leases")
def test_a_worker_that_nobody_replaced_goes_on(make: Make, undisturbed: Make, cache: Path) -> None:
    """A lid that was closed for the night costs no work."""
    over = {"recipe": {"budget": {"steps": 60}}}
    folder = make(**over)
    process = start(folder, cache)
    wait_for(folder, 8, process)
    process.send_signal(signal.SIGSTOP)
    expire(folder)
    time.sleep(float(TTL) + 0.5)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said.decode()
    assert len(read_run(folder).attempts) == 1
    assert differences(undisturbed(**over), folder) == []


@pytest.mark.slow
def test_a_dead_worker_is_replaced_at_once(make: Make, undisturbed: Make, cache: Path) -> None:
    folder = make()
    process = start(folder, cache)
    wait_for(folder, 3, process)
    process.kill()
    process.communicate()
    assert worker.run(folder, cache) == 0
    claims = [each.event for each in read_events(folder) if isinstance(each.event, Claimed)]
    assert [claim.pid for claim in claims] == [process.pid, os.getpid()]
    assert differences(undisturbed(), folder) == []


def test_tempo_stop_reaches_a_worker_through_the_ledger(make: Make, cache: Path) -> None:
    folder = make(recipe={"budget": {"steps": 5000}})
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TEMPO_LEASE_SECONDS": TTL}
    command = [sys.executable, "-m", "tempo.worker", "run", str(folder), "--cache", str(cache)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    wait_for(folder, 3, process)
    open_ledger(None, root_of(folder)).ask_to_stop([folder.name])
    process.communicate(timeout=60)
    record = read_run(folder)
    assert process.returncode == worker.RESUMABLE and record.status is RunStatus.STOPPED
    assert record.finish is not None and "stopped by tempo stop" in record.finish.message
    assert spans(folder) == [(0, record.checkpoints[-1].step)]


def test_records_of_before_are_gone_on_with(
    make: Make, undisturbed: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without claims, with one file a step, and with a lock beside them."""
    folder = make()
    process = start(folder, cache)
    wait_for(folder, 8, process)
    process.kill()
    process.communicate()
    for path in folder.rglob("*-a0001.*"):
        path.rename(path.with_name(path.name.replace("-a0001", "")))
    lines = (folder / NAME).read_text().splitlines(keepends=True)
    old = [line.replace("-a0001", "") for line in lines if '"kind":"claim"' not in line]
    (folder / NAME).write_text("".join(old))
    (folder / "lock").touch()
    (root_of(folder) / "ledger.db").unlink()
    assert worker.run(folder, cache) == 0
    record = read_run(folder)
    assert [each.number for each in record.attempts] == [1, 2]
    assert record.attempts[1].resumed_step >= 5
    assert differences(undisturbed(), folder) == []
