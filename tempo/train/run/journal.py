"""Write the events of an attempt, fenced by the run's lease, from rank 0."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tempo.core.records import RunStatus
from tempo.ledger.lease import Lease
from tempo.records.event_log import EventLog, read_events
from tempo.records.events import AttemptStarted, Claimed, Event, Finished, Logged, Noted
from tempo.train.hardware.process_group import Group

DURABLE = {"claim", "checkpoint", "evaluation", "finish", "note"}
"""Kinds of event that later work relies on: written to the disk before the attempt continues."""


@dataclass(frozen=True, slots=True)
class History:
    """What an attempt takes over from earlier ones: how often training went back with a lower
    learning rate, and the largest micro-batch not known to be too large (None: none failed)."""

    rollbacks: int = 0
    micro: int | None = None


def history_of(past: Sequence[Logged]) -> History:
    notes = [each.event for each in past if isinstance(each.event, Noted)]
    fitting = [int(note.values["to"]) for note in notes if note.topic == "oom"]
    return History(
        rollbacks=sum(note.topic == "rollback" for note in notes),
        micro=min(fitting, default=None),
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
        self._log.append(event, durable=event.kind in DURABLE)

    def finish(self, event: Finished) -> None:
        """Write the end of the attempt. A result is complete only once the ledger confirmed that no
        other worker took the run over, and that none can while this is written."""
        if self._lease is not None:
            if event.status == RunStatus.COMPLETE:
                self._lease.publish()
            self.emit(event)
            self._lease.reached(event.step)
        if self._log is not None:
            self._log.close()

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
