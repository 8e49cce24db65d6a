"""Select the events of a run that can be mirrored: those that no later attempt can supersede.

A mirrored point cannot be taken back, and a resumed attempt repeats the steps after its
checkpoint at other times. So points wait until a checkpoint at or after their step is on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tempo.core.errors import RecordError
from tempo.records.event_log import read_events
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Evaluated,
    Finished,
    Logged,
    ModelBuilt,
)
from tempo.records.run_record import effective


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The last event that was mirrored: the bytes of its line, when it was written, and the
    highest step mirrored so far."""

    start: int
    end: int
    time: float
    step: int


class SupersededError(Exception):
    """What was mirrored is no longer what the records say: the mirrored run must be replaced."""


def _step(logged: Logged) -> int:
    """Return the lowest step from which a resumed attempt leaves the event valid; 0 for any."""
    return 0 if isinstance(logged.event, Finished) else int(getattr(logged.event, "step", 0))


def pending(folder: Path, position: Position | None) -> list[Logged]:
    """Return the events after `position`, in file order.

    Raises:
        SupersededError: the file is another one than `position` was taken in, or an attempt
            started afresh or resumed from before a step that was mirrored.
    """
    if position is None:
        return list(read_events(folder))
    try:
        events = list(read_events(folder, position.start))
    except RecordError as error:
        raise SupersededError(f"{folder}: no event begins at byte {position.start}") from error
    if not events or (events[0].time, events[0].end) != (position.time, position.end):
        raise SupersededError(f"{folder}: byte {position.start} holds another event")
    for logged in events[1:]:
        event = logged.event
        if not isinstance(event, AttemptStarted):
            continue
        if event.afresh:
            raise SupersededError(f"{folder}: attempt {logged.attempt} started afresh")
        if event.resumed_step < position.step:
            raise SupersededError(
                f"{folder}: attempt {logged.attempt} resumed from step {event.resumed_step}, "
                f"and step {position.step} was mirrored"
            )
    return events[1:]


def advance(before: Position | None, events: Sequence[Logged], sent: Sequence[Logged]) -> Position:
    """Return the position after mirroring `sent`, which `settled` took from `events`."""
    last = sent[-1]
    ends = [each.end for each in events if each.end < last.end]
    ends.append(before.end if before else 0)
    steps = [_step(each) for each in sent] + ([before.step] if before else [])
    return Position(start=max(ends), end=last.end, time=last.time, step=max(steps))


def settled(events: Sequence[Logged], *, over: bool) -> list[Logged]:
    """Return the leading part of `events` that counts and that nothing can supersede any more.

    With `over` (no process carries out the run) a failure is final too. What a stopped or killed
    attempt did after its last checkpoint will be done again, and is not mirrored.
    """
    kept = effective(events)
    last = max((i for i, logged in enumerate(kept) if _settles(logged, over)), default=-1)
    return kept[: last + 1]


def _settles(logged: Logged, over: bool) -> bool:
    """Whether everything before this event is safe: it is on disk, or resuming began after it."""
    event = logged.event
    if isinstance(event, Finished):
        return event.status == "complete" or (over and event.status == "failed")
    return isinstance(event, AttemptStarted | ModelBuilt | CheckpointSaved | Evaluated)
