"""A lease in danger has a checkpoint written, and one that is lost is recorded and told."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tempo.core.errors import LeaseLostError, LedgerError
from tempo.core.jobs import BUSY
from tempo.core.records import RunStatus
from tempo.launch.lost_workers import silence
from tempo.ledger import lease as leases
from tempo.ledger.lease import Lease
from tempo.ledger.lease_keeper import NICENESS, LeaseKeeper, raise_priority
from tempo.ledger.open import open_ledger
from tempo.records.event_log import Tail, read_events
from tempo.records.events import LOST_LEASE, Noted, Trained
from tempo.records.layout import root_of
from tempo.records.progress import LostAttempt
from tempo.records.run_record import RunRecord, read_run
from tempo.train.hardware.process_group import Group
from tempo.train.run import run_folder as worker
from tempo.train.run.journal import Journal

from ..train.conftest import Make, cache, final_state, make, start, undisturbed
from ..train.test_resume import differences
from .test_frozen import wait_for
from .test_lease import HELD, Kept, Scripted, clock

__all__ = ["cache", "clock", "make", "undisturbed"]

TTL = "2"
LONG: dict[str, Any] = {
    "recipe": {"batch": 8, "crop": 32, "budget": {"steps": 250}},
    "arch": {"base_channels": 8},
    "evaluation": {"val_every": 10_000, "gallery": 0},
    "runtime": {"log_every": 1, "checkpoint_every": 10_000},
}
"""Some eight seconds of training, which writes no checkpoint before its end."""


def test_a_lease_in_danger_says_so_once_each_quarter(clock: list[float]) -> None:
    ledger = Scripted(HELD, LedgerError("no route to host"), HELD)
    lease = Lease(ledger, "run", 1, 60.0, leases.now())  # type: ignore[arg-type]
    clock[0] += 30
    assert lease.danger() is None
    clock[0] += 1
    assert lease.danger() == "the lease of run was not renewed and has 29.0 s left"
    clock[0] += 14
    assert lease.danger() is None
    clock[0] += 1
    assert lease.danger() == "the lease of run was not renewed and has 14.0 s left"
    assert lease.renew() == HELD
    assert lease.danger() is None
    with pytest.raises(LedgerError):
        lease.renew()
    said = lease.danger()
    assert said == "the lease of run was not renewed (no route to host) and has 60.0 s left"
    assert lease.danger() is None
    lease.renew()
    assert lease.danger() is None


def test_claim_files_that_cannot_be_read_are_a_renewal_that_failed() -> None:
    class Away(Scripted):
        def renew(self, key: str, token: int, ttl: float) -> Any:
            raise OSError(116, "Stale file handle")

    kept = Kept(Away(HELD))
    assert "could not be renewed ([Errno 116] Stale file handle); leaving" in kept.reason()


def test_the_last_words_are_said_before_the_process_is_ended() -> None:
    kept = Kept(Scripted(HELD, LedgerError("no route to host")))
    reason = "the lease of run could not be renewed (no route to host)"
    assert kept.reason() == f"{reason}; leaving"
    assert kept.words == [reason]


def test_of_a_run_that_was_taken_over_nothing_is_said() -> None:
    kept = Kept(Scripted(HELD, None))
    kept.reason()
    assert kept.words == []


def test_last_words_that_hang_do_not_keep_the_process() -> None:
    hang, left = threading.Event(), threading.Event()
    lease = Lease(Scripted(LedgerError("away")), "run", 1, 0.6, leases.now())  # type: ignore[arg-type]
    keeper = LeaseKeeper(
        lease, lambda: None, lambda reason: hang.wait(60), lambda reason: left.set()
    )
    keeper.start()
    assert left.wait(30)
    hang.set()
    keeper.stop()


def test_a_ledger_that_does_not_answer_is_named() -> None:
    hang = threading.Event()

    class Hanging(Scripted):
        def renew(self, key: str, token: int, ttl: float) -> Any:
            hang.wait(60)
            return HELD

    kept = Kept(Hanging(HELD), ttl=1.2)
    assert "could not be renewed (the ledger has not answered for 1 s); leaving" in kept.reason()
    hang.set()


def test_a_lease_is_renewed_well_before_a_third_and_earlier_after_it_was_late() -> None:
    times: list[float] = []

    class Slow(Scripted):
        def renew(self, key: str, token: int, ttl: float) -> Any:
            times.append(leases.now())
            if len(times) == 3:
                time.sleep(0.5)
            self.asked.release()
            return HELD

    ledger = Slow(HELD)
    begun, kept = leases.now(), Kept(ledger, ttl=2.4)
    for _ in range(6):
        assert ledger.asked.acquire(timeout=60)
    kept.stop()
    gaps = [b - a for a, b in zip([begun, *times], times, strict=False)]
    # Punctual: every sixth (0.4 s); from the late answer on: every twelfth (0.2 s).
    assert min(gaps[:3]) >= 0.38 and gaps[0] < 0.7
    assert 0.18 <= min(gaps[4:]) < 0.38
    assert kept.left == []


@pytest.mark.skipif(not hasattr(os, "setpriority"), reason="this system has no priorities")
def test_the_threads_of_the_keeper_alone_have_a_higher_priority() -> None:
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    allowed, found = [], []

    def look() -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
            allowed.append(True)
        except OSError:
            allowed.append(False)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), mine) if allowed[0] else None
        raise_priority()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [NICENESS if allowed[0] else mine]
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Keep the ledger of a run from answering: another process holds the lock of its file."""
    with closing(sqlite3.connect(root_of(folder) / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def notes(record: RunRecord, topic: str) -> list[Noted]:
    return [note for note in record.notes if note.topic == topic]


@pytest.mark.slow
def test_a_ledger_that_refuses_renewals_costs_few_steps_and_no_bit(
    make: Make, undisturbed: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, whole = make(**LONG), undisturbed(**LONG)
    monkeypatch.setenv("TEMPO_LEASE_SECONDS", TTL)
    process = start(folder, cache)
    wait_for(folder, 5, process)
    with refusing(folder):
        _, said = process.communicate(timeout=60)
    assert process.returncode == BUSY
    assert f"the lease of {folder.name} could not be renewed" in said.decode()
    left = read_run(folder)
    # The record says it, and that a checkpoint was written in time.
    assert left.status is RunStatus.STOPPED and left.finish is not None
    assert left.finish.failure == LOST_LEASE
    assert left.finish.message.startswith(f"the lease of {folder.name} could not be renewed (")
    assert left.checkpoints and left.checkpoints[-1].step > 5
    (note, *_) = notes(left, "lease")
    assert "; a checkpoint was written at once" in note.message
    assert note.step == left.checkpoints[0].step
    # So little is lost, and what follows is what would have been without all this.
    saved, reached = left.checkpoints[-1].step, max(each.step for each in left.train)
    assert reached - saved < reached / 2
    assert worker.run(folder, cache) == 0
    record = read_run(folder)
    assert [each.resumed_step for each in record.attempts] == [0, saved]
    assert differences(whole, folder) == []
    tail = Tail(folder)
    tail.catch_up()
    assert tail.progress.lost == (LostAttempt(attempt=1, why=left.finish.message, next_step=saved),)
    assert notes(record, "lost") == []


def test_a_frozen_worker_is_told_and_the_next_attempt_says_so(
    make: Make, undisturbed: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, whole = make(), undisturbed()
    monkeypatch.setenv("TEMPO_LEASE_SECONDS", TTL)
    process = start(folder, cache)
    wait_for(folder, 4, process)
    process.send_signal(signal.SIGSTOP)
    ledger = open_ledger(None, root_of(folder))
    while (hold := ledger.holds([folder.name])[folder.name]).left > 0:
        time.sleep(0.1)
    assert silence(hold) == (
        f"its worker, process {process.pid} on {os.uname().nodename}, is frozen, starved or cut "
        "off from the ledger: its lease ended 0 s ago"
    )
    while (code := worker.run(folder, cache)) == BUSY:
        time.sleep(0.1)
    assert code == 0
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode == BUSY
    ledger.close()
    record = read_run(folder)
    (note,) = notes(record, "lost")
    assert note.message == (
        "attempt 1 was lost: it ended without a word (its worker died, froze or lost its lease), "
        f"and the next one went on from step {record.attempts[1].resumed_step}"
    )
    assert differences(whole, folder) == []


def test_a_worker_that_died_is_known_to_have_died(make: Make, cache: Path) -> None:
    folder = make()
    process = start(folder, cache)
    wait_for(folder, 1, process)
    process.kill()
    process.communicate()
    with closing(open_ledger(None, root_of(folder))) as ledger:
        said = silence(ledger.holds([folder.name])[folder.name])
    assert said.startswith(f"its worker, process {process.pid} on ")
    assert said.endswith(", died without a word")


def test_nothing_is_written_by_an_attempt_after_its_end(make: Make) -> None:
    """The training goes on for a moment while the keeper writes the end."""
    folder = make()
    ledger = open_ledger(None, root_of(folder))
    lease = leases.take(ledger, folder.name, ttl=60.0)
    journal = Journal(folder, Group(), lease)
    journal.step = 7
    journal.lose("the lease of x could not be renewed (postgresql://me:secret@far/db is away)")
    journal.lose("again")
    with pytest.raises(LeaseLostError, match="could not be renewed"):
        journal.emit(Trained(step=8, clips=1, epoch=0.1, values={}))
    events = [each.event for each in read_events(folder)]
    assert [event.kind for event in events] == ["claim", "finish"]
    finish = read_run(folder).finish
    assert finish is not None and finish.step == 7
    assert "secret" not in finish.message and "is away" in finish.message
    ledger.close()


def test_the_attempt_that_ended_is_not_ended_again(make: Make) -> None:
    folder = make()
    ledger = open_ledger(None, root_of(folder))
    lease = leases.take(ledger, folder.name, ttl=60.0)
    journal = Journal(folder, Group(), lease)
    finish = worker.Finished(
        status=RunStatus.STOPPED, step=1, seconds=1.0, train_seconds=1.0, peak_memory=0
    )
    journal.finish(finish)
    journal.lose("too late")
    assert read_run(folder).finish == finish
    ledger.close()


@pytest.mark.slow
def test_all_processes_of_a_run_save_what_one_is_afraid_to_lose(
    make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint holds the random streams of all of them, so they write it together."""
    folder = make(**LONG)
    monkeypatch.setenv("TEMPO_LEASE_SECONDS", TTL)
    process = start(folder, cache, "--ddp", "2")
    wait_for(folder, 5, process)
    with refusing(folder):
        while read_run(folder).finish is None:
            assert process.poll() is None
            time.sleep(0.05)
    _, said = process.communicate(timeout=150)
    assert process.returncode == 0, said.decode()
    record = read_run(folder)
    first, second = record.attempts
    assert first.finish is not None and first.finish.failure == LOST_LEASE
    (note, *_) = notes(record, "lease")
    assert second.resumed_step >= note.step > 5
    assert len(final_state(folder)["rng"]) == 2
