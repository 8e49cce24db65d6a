"""Holding a lease: what is checked before a write, and when the keeper ends the process."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from tempo.core.errors import LeaseLostError, LedgerError
from tempo.ledger import lease as leases
from tempo.ledger.lease import Lease, default_ttl, refusal, take
from tempo.ledger.lease_keeper import LeaseKeeper
from tempo.ledger.open import open_ledger
from tempo.ledger.port import Hold, Ledger

from .conftest import FAR, ME, Opened

FAR_AWAY = 600.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The host's clock, set by the test."""
    time = [1000.0]
    monkeypatch.setattr(leases, "now", lambda: time[0])
    return time


def taken(ledger: Ledger, ttl: float = FAR_AWAY) -> Lease:
    lease = take(ledger, "run", ttl=ttl)
    assert lease is not None
    return lease


def test_a_lease_that_holds_is_written_under(opened: Opened, clock: list[float]) -> None:
    lease = taken(opened.ledger)
    clock[0] += 599
    lease.check()
    lease.publish()
    assert lease.left == FAR_AWAY


def test_one_that_woke_too_late_asks_before_it_writes(opened: Opened, clock: list[float]) -> None:
    lease = taken(opened.ledger)
    opened.wait(10_000)
    clock[0] += 10_000
    lease.check()
    assert lease.left == FAR_AWAY and opened.ledger.holds(["run"])["run"].held


def test_one_whose_run_was_taken_over_writes_nothing(opened: Opened, clock: list[float]) -> None:
    lease = taken(opened.ledger)
    opened.wait(10_000)
    if not opened.expires:
        opened.ledger.release("run", lease.token)
    assert opened.ledger.claim("run", FAR, FAR_AWAY) == 2
    clock[0] += 10_000
    for write in (lease.check, lease.publish, lease.again):
        with pytest.raises(LeaseLostError, match=r"taken over from claim 1, held by .* far"):
            write()
    lease.release()
    assert opened.ledger.publish("run", 2)


def test_a_new_attempt_has_a_new_token(opened: Opened) -> None:
    lease = taken(opened.ledger)
    lease.began(0)
    lease.again()
    lease.began(8)
    lease.reached(12)
    assert lease.token == 2 and not opened.ledger.publish("run", 1)
    spans = opened.ledger.spans("run")
    assert [(span.token, span.first, span.last) for span in spans] == [(1, 0, 8), (2, 8, 12)]
    assert {span.owner for span in spans} == {ME}


class Scripted:
    """A ledger whose renewals answer as they are told."""

    def __init__(self, *answers: Hold | LedgerError | None) -> None:
        self.answers = list(answers)
        self.asked = threading.Semaphore(0)

    def renew(self, key: str, token: int, ttl: float) -> Hold | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.asked.release()
        if isinstance(answer, LedgerError):
            raise answer
        return answer


HELD = Hold(key="run", owner=ME, token=1, held=True, left=60, asked_to_stop=False)
STOP = Hold(key="run", owner=ME, token=1, held=True, left=60, asked_to_stop=True)


class Kept:
    """A keeper at work; `left` holds what it said when it would have ended the process."""

    def __init__(self, ledger: Scripted, ttl: float = 0.6) -> None:
        self.lease = Lease(ledger, "run", 1, ttl, leases.now())  # type: ignore[arg-type]
        self.asked: list[str] = []
        self.left: list[str] = []
        self.words: list[str] = []
        self._over = threading.Event()
        self._keeper = LeaseKeeper(
            self.lease, lambda: self.asked.append("stop"), self.words.append, self._leave
        )
        self._keeper.start()

    def _leave(self, reason: str) -> None:
        self.left.append(reason)
        self._over.set()

    def reason(self) -> str:
        assert self._over.wait(60)
        self._keeper.stop()
        return self.left[0]

    def stop(self) -> None:
        self._keeper.stop()


def test_a_kept_lease_is_renewed_and_a_request_to_stop_is_told_once() -> None:
    ledger = Scripted(HELD, STOP, STOP, STOP)
    kept = Kept(ledger, ttl=1.5)
    for _ in range(4):
        assert ledger.asked.acquire(timeout=60)
    kept.stop()
    assert kept.asked == ["stop"]


def test_a_lost_lease_ends_the_process() -> None:
    kept = Kept(Scripted(HELD, None))
    assert kept.reason() == "run was taken over by another worker; leaving"


def test_a_lease_that_cannot_be_renewed_ends_the_process() -> None:
    kept = Kept(Scripted(HELD, LedgerError("no route to host")))
    assert kept.reason() == "the lease of run could not be renewed (no route to host); leaving"


def test_a_renewal_that_hangs_does_not_keep_the_process() -> None:
    hang = threading.Event()

    class Hanging(Scripted):
        def renew(self, key: str, token: int, ttl: float) -> Hold | None:
            hang.wait(60)
            return HELD

    kept = Kept(Hanging(HELD))
    assert "could not be renewed" in kept.reason()
    hang.set()


def test_a_process_that_slept_past_the_end_may_ask_first() -> None:
    """Nobody took the run over meanwhile, so it goes on."""
    ledger = Scripted(HELD)
    kept = Kept(ledger, ttl=24.0)
    kept.lease._end = leases.now() - 1000
    assert ledger.asked.acquire(timeout=60)
    kept.stop()
    assert kept.left == [] and kept.lease.left > 0


def test_why_a_run_was_refused(tmp_path: Path) -> None:
    assert refusal(None, "r") == "r was just given back; try again"
    held = Hold(key="r", owner=FAR, token=1, held=True, left=12.2, asked_to_stop=False)
    assert refusal(held, "r").endswith("unless that goes on it can be taken over in 12 s")
    ledger = open_ledger("files", tmp_path)
    ledger.claim("r", FAR, 15)
    said = refusal(ledger.holds(["r"])["r"], "r", "my records/claims")
    assert said == (
        f"r is held by process {FAR.pid} on far. Claim files never expire: if that process is "
        "gone, free the run with: rm -r 'my records/claims/r'"
    )
    shutil.rmtree(tmp_path / "claims/r")
    assert ledger.claim("r", ME, 15, above=1) == 2
    ledger.ask_to_stop(["r"])
    ledger.release("r", 2)
    said = refusal(ledger.holds(["r"])["r"], "r")
    assert said == "r was asked to stop; the command of its study begins it again"


@pytest.mark.parametrize("text", ["soon", "0", "-3", "nan", "inf"])
def test_a_lease_has_a_sensible_length(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TEMPO_LEASE_SECONDS", text)
    with pytest.raises(LedgerError, match=f"TEMPO_LEASE_SECONDS .* not '{text}'"):
        default_ttl()
