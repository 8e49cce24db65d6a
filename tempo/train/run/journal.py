"""Write the events of an attempt, fenced by the run's lease, from rank 0."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tempo.core.errors import LeaseLostError
from tempo.core.records import RunStatus
from tempo.core.redaction import redacted
from tempo.ledger.lease import Lease
from tempo.records.event_log import EventLog, read_events
from tempo.records.events import (
    LOST_LEASE,
    AttemptStarted,
    Claimed,
    Event,
    Finished,
    Logged,
    Noted,
)
from tempo.records.progress import LostAttempt, Progress
from tempo.train.hardware.process_group import Group

DURABLE = {"claim", "checkpoint", "evaluation", "finish", "note"}
"""Kinds of event that later work relies on: written to the disk before the attempt continues."""


@dataclass(frozen=True, slots=True)
class History:
    """What an attempt takes over from earlier ones: how often training went back with a lower
    learning rate, the largest micro-batch not known to be too large (None: none failed), and
    whether activations had to be recomputed."""

    rollbacks: int = 0
    micro: int | None = None
    recomputed: bool = False


def history_of(past: Sequence[Logged]) -> History:
    notes = [each.event for each in past if isinstance(each.event, Noted)]
    fitting = [int(note.values["to"]) for note in notes if note.topic == "oom"]
    return History(
        rollbacks=sum(note.topic == "rollback" for note in notes),
        micro=min(fitting, default=None),
        recomputed=any(note.topic == "checkpointing" for note in notes),
    )


def _past(folder: Path) -> tuple[Logged, ...]:
    events = list(read_events(folder))
    starts = [
        place
        for place, each in enumerate(events)
        if isinstance(each.event, AttemptStarted) and each.event.afresh
    ]
    return tuple(events[starts[-1] :] if starts else events)


class Journal:
    """The events of one attempt, numbered by the token of its claim. `emit` writes on rank 0 alone.

    Args:
        lease: the leading process's hold on the run; None on the others.
        afresh: nothing that earlier attempts did counts for this one.

    Every method that writes raises LeaseLostError when another worker took the run over.
    """

    def __init__(
        self, folder: Path, group: Group, lease: Lease | None, *, afresh: bool = False
    ) -> None:
        self._folder, self._group, self._lease, self.afresh = folder, group, lease, afresh
        self.attempt: int = group.share(lease.token if lease else None)
        self._log = EventLog(folder, self.attempt) if lease else None
        self._lost, self._writing, self._begun = "", threading.Lock(), time.perf_counter()
        # What is in the record before this line counts, and what earlier attempts add to it after
        # this line does not: all readers see the same past as this attempt.
        self.emit(Claimed(host=socket.gethostname(), pid=os.getpid()))
        self.past: tuple[Logged, ...] = _past(folder) if lease and not afresh else ()
        """What earlier attempts recorded since the last fresh start; on rank 0 alone."""
        self.history: History = group.share(history_of(self.past) if group.leads else None)
        self.step = 0
        self.train_seconds = 0.0
        """Of this attempt."""

    def next(self) -> Journal:
        """Return the journal of another attempt by this worker."""
        if self._lease is not None:
            self._lease.again()
        return Journal(self._folder, self._group, self._lease)

    def emit(self, event: Event) -> None:
        if self._log is None or self._lease is None:
            return
        self._lease.check()
        if isinstance(event, AttemptStarted):
            self._lease.began(event.resumed_step)
        with self._writing:
            if self._lost:
                raise LeaseLostError(self._lost)
            self._log.append(event, durable=event.kind in DURABLE)
        if isinstance(event, AttemptStarted) and (note := self._lost_before(event)):
            self.emit(note)

    def _lost_before(self, start: AttemptStarted) -> Noted | None:
        """Return a note on the attempt before this one, where that did not say how it ended."""
        progress = Progress()
        for each in self.past:
            if each.attempt < self.attempt:
                progress.take(each)
        if not progress.attempt or progress.finish is not None:
            return None
        step = start.resumed_step
        lost = LostAttempt(attempt=progress.attempt, next_step=step)
        return Noted(step=step, topic="lost", message=str(lost), lasting=True)

    def danger(self) -> str | None:
        """Return why the work should be saved now, as `Lease.danger`; None on other ranks."""
        why = self._lease.danger() if self._lease is not None else None
        return redacted(why) if why else None

    def lose(self, reason: str) -> None:
        """Write that the attempt ends because its lease could not be renewed, from any thread.

        Nothing is written by this attempt afterwards. Another worker may hold the run by now: then
        its claim comes before this line, which no reader counts.
        """
        with self._writing:
            if self._log is None or self._lost:
                return
            self._lost = reason
            end = Finished(
                status=RunStatus.STOPPED,
                step=self.step,
                seconds=time.perf_counter() - self._begun,
                train_seconds=self.train_seconds,
                peak_memory=0,
                failure=LOST_LEASE,
                message=redacted(reason),
            )
            self._log.append(end, durable=True)

    def finish(self, event: Finished) -> None:
        """Write the end of the attempt. A result is complete only once the ledger confirmed that no
        other worker took the run over, and that none can while this is written."""
        if self._lease is not None:
            if event.status == RunStatus.COMPLETE:
                self._lease.publish()
            self.emit(event)
            self._lease.reached(event.step)
        with self._writing:
            if self._log is not None:
                self._log.close()
                self._log = None

    def emit_from_any_rank(self, event: Event) -> None:
        """Write an event from any rank, for what rank 0 cannot know."""
        if self._log is not None:
            self.emit(event)
            return
        with EventLog(self._folder, self.attempt) as log:
            log.append(event, durable=True)

    def events(self) -> list[Logged]:
        """Read the whole record of the run from disk."""
        return list(read_events(self._folder))
