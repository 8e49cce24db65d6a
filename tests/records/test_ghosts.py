"""What an attempt writes after a newer one claimed its run counts for nobody."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tempo.core.records import RunSpec, RunStatus
from tempo.records.event_log import EventLog, Tail, is_complete, read_events
from tempo.records.events import (
    AttemptStarted,
    Claimed,
    Event,
    Finished,
    Logged,
    Trained,
    Validated,
)
from tempo.records.files import attempt_of, of_attempt
from tempo.records.layout import Store
from tempo.records.progress import Progress
from tempo.records.run_record import read_result, read_run


def trained(step: int) -> Trained:
    return Trained(step=step, clips=step, epoch=0.1, values={"loss": 1.0})


def finished(status: str, step: int) -> Finished:
    return Finished(status=status, step=step, seconds=2.0, train_seconds=1.0, peak_memory=0)


def validated(step: int) -> Validated:
    return Validated(step=step, clips=step, epoch=0.1, seconds=1.0, values={"psnr": float(step)})


CLAIM = Claimed(host="h", pid=1)


def begin(resumed: int) -> list[Event]:
    return [CLAIM, AttemptStarted(resumed_step=resumed, total_steps=30)]


def write(folder: Path, attempt: int, *events: Event) -> None:
    with EventLog(folder, attempt) as log:
        for event in events:
            log.append(event)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Store(tmp_path).save_run(RunSpec(run_id="a" * 12, seed=0, config={"x": 1}))


def test_a_ghost_neither_ends_nor_undoes_a_run(folder: Path) -> None:
    write(folder, 1, *begin(0), trained(10))
    write(folder, 3, *begin(10))
    write(folder, 1, trained(20), finished("complete", 30))
    assert read_run(folder).status is RunStatus.STOPPED and not is_complete(folder)
    write(folder, 3, trained(30), finished("complete", 30))
    write(folder, 1, trained(40), finished("failed", 40))
    record = read_run(folder)
    assert record.status is RunStatus.COMPLETE and is_complete(folder)
    assert [event.step for event in record.train] == [10, 30]
    assert [each.number for each in record.attempts] == [1, 3]
    assert record.attempts[0].finish is None
    assert read_result(folder).status is RunStatus.COMPLETE


def test_a_claim_alone_makes_ghosts(folder: Path) -> None:
    """Before the newer attempt even knows where it resumes from."""
    write(folder, 1, *begin(0), trained(10))
    write(folder, 2, CLAIM)
    write(folder, 1, finished("complete", 10))
    assert read_run(folder).status is RunStatus.STOPPED


@pytest.mark.parametrize("together", [True, False])
def test_a_follower_sees_no_ghosts_wherever_it_reads_on(folder: Path, together: bool) -> None:
    tail = Tail(folder)
    write(folder, 1, *begin(0), trained(10))
    if not together:
        list(tail.read())
    write(folder, 2, *begin(0), trained(5))
    seen = list(tail.read())
    write(folder, 1, trained(20), finished("complete", 20))
    assert list(tail.read()) == []
    write(folder, 2, trained(8))
    seen += tail.read()
    assert [each.event.step for each in seen if isinstance(each.event, Trained)][-2:] == [5, 8]
    assert (tail.progress.attempt, tail.progress.step, tail.progress.finish) == (2, 8, None)
    fresh = Tail(folder)
    fresh.catch_up()
    assert (fresh.progress.attempt, fresh.progress.step) == (2, 8)


def test_catching_up_is_not_misled_by_a_ghosts_last_line(folder: Path) -> None:
    write(folder, 2, *begin(0), trained(5))
    write(folder, 1, trained(20))
    tail = Tail(folder)
    tail.catch_up()
    assert (tail.progress.attempt, tail.progress.step) == (2, 5)


@given(st.lists(st.integers(1, 4), max_size=12))
def test_readers_agree_from_every_event_on(attempts: list[int]) -> None:
    """The events that count, read in one go or from any of them on."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for step, attempt in enumerate(attempts):
            write(folder, attempt, trained(step))
        whole = list(read_events(folder))
        numbers = [each.attempt for each in whole]
        assert numbers == sorted(numbers)
        assert set(numbers) <= set(attempts) and len(attempts) - len(whole) == sum(
            number < max(attempts[:place], default=0) for place, number in enumerate(attempts)
        )
        for place, each in enumerate(whole):
            assert list(read_events(folder, each.end, newest=each.attempt)) == whole[place + 1 :]


def test_progress_ignores_what_an_outdated_attempt_wrote() -> None:
    progress = Progress()
    progress.take(Logged(time=1.0, attempt=2, event=CLAIM))
    before = replace(progress)
    for event in (trained(9), *begin(4), validated(9), finished("complete", 9)):
        progress.take(Logged(time=2.0, attempt=1, event=event))
    assert progress == before
    progress.take(Logged(time=3.0, attempt=2, event=finished("complete", 9)))
    assert progress.finish is not None


EVENTS_OF_A_RUN = st.one_of(
    st.just(CLAIM),
    st.integers(0, 9).map(lambda step: AttemptStarted(resumed_step=step, total_steps=30)),
    st.integers(1, 30).map(trained),
    st.integers(1, 30).map(validated),
    st.sampled_from(["complete", "stopped"]).map(lambda status: finished(status, 5)),
)


HIDDEN: list[tuple[int, Event]] = [*((1, each) for each in begin(0)), (1, trained(15)), (2, CLAIM)]


def possible(lines: list[tuple[int, Event]]) -> Iterator[tuple[int, Event]]:
    """The lines without steps between a claim and the start of its attempt, which no run takes."""
    started: set[int] = set()
    for attempt, event in lines:
        if isinstance(event, AttemptStarted):
            started.add(attempt)
        elif isinstance(event, Claimed):
            started.discard(attempt)
        elif isinstance(event, Trained | Validated) and attempt not in started:
            continue
        yield attempt, event


@example(lines=[*HIDDEN, (1, trained(20))], known=12)
@given(st.lists(st.tuples(st.integers(1, 3), EVENTS_OF_A_RUN), max_size=12), st.integers(0, 12))
def test_catching_up_ends_where_reading_every_event_does(
    lines: list[tuple[int, Event]], known: int
) -> None:
    """From the start or after `known` lines that were followed; but for the last event's time."""
    with tempfile.TemporaryDirectory() as name:
        folder, quick, whole = Path(name), Tail(Path(name)), Tail(Path(name))
        for place, (attempt, event) in enumerate(possible(lines)):
            if place == known:
                list(quick.read())
            write(folder, attempt, event)
        quick.catch_up()
        list(whole.read())
        assert replace(quick.progress, updated=0.0) == replace(whole.progress, updated=0.0)


def test_attempts_never_share_a_file() -> None:
    path = of_attempt(Path("checkpoints/step-00000008.pt"), 12)
    assert path == Path("checkpoints/step-00000008-a0012.pt")
    assert attempt_of(path) == 12 and attempt_of(Path("checkpoints/step-00000008.pt")) == 0
