"""A ledger against a model of what it promises, over any sequence of calls."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tempo.ledger.open import open_ledger
from tempo.ledger.port import MARGIN, Owner

from .conftest import DEAD, FAR, FARTHER, ME, Opened

KEYS = st.sampled_from(["a", "b/ü 1"])
TTLS = st.sampled_from([1_000.0, 10_000.0])
WAITS = st.sampled_from([500.0, 1_100.0, 1_300.0, 12_100.0])
"""Short of a lease's end, within the margin after it, past it; far apart for a slow machine."""


@dataclass
class Row:
    """What a ledger has to know of a key. `left`: seconds of the lease."""

    token: int = 0
    owner: Owner | None = None
    ttl: float = 0.0
    left: float = 0.0
    stop: bool = False
    given: list[int] = field(default_factory=list)

    def free(self, *, expires: bool) -> bool:
        if self.stop:
            return False
        gone = expires and self.left < -MARGIN * self.ttl
        return self.owner is None or self.owner == DEAD or gone


class Laws(RuleBasedStateMachine):
    opened: Opened

    def __init__(self) -> None:
        super().__init__()
        self.opened.clear()
        self.ledger, self.rows = self.opened.ledger, {"a": Row(), "b/ü 1": Row()}

    def holds(self, key: str, token: int) -> bool:
        return self.rows[key].owner is not None and self.rows[key].token == token

    @rule(
        key=KEYS,
        owner=st.sampled_from([ME, FAR, FARTHER, DEAD]),
        ttl=TTLS,
        above=st.sampled_from([0, 0, 7]),
    )
    def claim(self, key: str, owner: Owner, ttl: float, above: int) -> None:
        row = self.rows[key]
        token = self.ledger.claim(key, owner, ttl, above)
        assert (token is not None) == row.free(expires=self.opened.expires)
        if token is not None:
            assert token == max(row.token, above) + 1
            row.token, row.owner, row.ttl, row.left = token, owner, ttl, ttl
            row.given.append(token)

    @rule(key=KEYS, token=st.integers(0, 12))
    def again(self, key: str, token: int) -> None:
        row, mine = self.rows[key], self.holds(key, token)
        new = self.ledger.again(key, token)
        assert new == (token + 1 if mine else None)
        if new is not None:
            row.token, row.left = new, row.ttl
            row.given.append(new)

    @rule(key=KEYS, token=st.integers(0, 12), ttl=TTLS)
    def renew(self, key: str, token: int, ttl: float) -> None:
        row, hold = self.rows[key], self.ledger.renew(key, token, ttl)
        assert (hold is not None) == self.holds(key, token)
        if hold is not None:
            row.ttl = row.left = ttl
            assert hold.owner == row.owner and hold.asked_to_stop == row.stop

    @rule(key=KEYS, token=st.integers(0, 12))
    def publish(self, key: str, token: int) -> None:
        mine = self.holds(key, token)
        assert self.ledger.publish(key, token) == mine
        if mine:
            self.rows[key].left = self.rows[key].ttl

    @rule(key=KEYS, token=st.integers(0, 12))
    def release(self, key: str, token: int) -> None:
        self.ledger.release(key, token)
        if self.holds(key, token):
            self.rows[key].owner = None

    @rule(key=KEYS, stop=st.booleans())
    def ask_to_stop(self, key: str, stop: bool) -> None:
        self.ledger.ask_to_stop([key], stop)
        self.rows[key].stop = stop

    @rule(key=KEYS, token=st.integers(0, 12), step=st.integers(0, 30))
    def began(self, key: str, token: int, step: int) -> None:
        self.ledger.began(key, token, step)

    @rule(key=KEYS, token=st.integers(0, 12), step=st.integers(0, 30))
    def reached(self, key: str, token: int, step: int) -> None:
        before = self.ledger.spans(key)
        if any(span.token == token and span.first <= step for span in before):
            self.ledger.reached(key, token, step)
            if not self.holds(key, token):
                assert self.ledger.spans(key) == before

    @rule(seconds=WAITS)
    def wait(self, seconds: float) -> None:
        self.opened.wait(seconds)
        for row in self.rows.values():
            row.left -= seconds

    @invariant()
    def tokens_rise(self) -> None:
        for row in self.rows.values():
            assert row.given == sorted(set(row.given))

    @invariant()
    def the_rows_say_so(self) -> None:
        holds = self.ledger.holds(self.rows)
        for key, row in self.rows.items():
            hold = holds.get(key)
            if hold is None:
                assert row.token == 0 and not row.stop
                continue
            assert (hold.token, hold.held, hold.asked_to_stop) == (
                row.token,
                row.owner is not None,
                row.stop,
            )
            if hold.held and self.opened.expires:
                assert hold.left == pytest.approx(row.left, abs=90)

    @invariant()
    def what_stands_is_held_or_asked_to_stop(self) -> None:
        rows = self.rows.items()
        asked = {key for key, row in rows if row.owner is not None or row.stop}
        assert self.ledger.standing([*self.rows, "never claimed"]).keys() == asked
        assert not self.ledger.standing(["never claimed"])

    @invariant()
    def spans_do_not_overlap(self) -> None:
        for key in self.rows:
            published = [
                step
                for span in self.ledger.spans(key)
                for step in range(span.first, 31 if span.last is None else span.last)
            ]
            assert len(published) == len(set(published))


@pytest.fixture
def machine(request: pytest.FixtureRequest, opened: Opened) -> Iterator[type[Laws]]:
    class Machine(Laws):
        def __init__(self) -> None:
            if opened.kind == "files":
                folder = Path(tempfile.mkdtemp(dir=request.getfixturevalue("tmp_path")))
                opened.ledger = open_ledger("files", folder)
            super().__init__()

    Machine.opened = opened
    yield Machine


def test_any_sequence_of_calls_keeps_the_promises(machine: type[Laws]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
