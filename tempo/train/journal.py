"""The record that an attempt writes: by the leading process alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tempo.records.events import Event, Logged, Noted
from tempo.records.log import EventLog, last_attempt, read_events
from tempo.train.group import Group

DURABLE = {"checkpoint", "evaluation", "finish", "note"}
"""Events that later work relies on: on the disk before it goes on."""


@dataclass(frozen=True, slots=True)
class History:
    """What earlier attempts teach the next one.

    Attributes:
        rollbacks: how often training went back with a lower learning rate.
        micro: the largest micro-batch that is not known to be too large; None when none failed.
    """

    rollbacks: int = 0
    micro: int | None = None


def history_of(past: Sequence[Logged]) -> History:
    notes = [each.event for each in past if isinstance(each.event, Noted)]
    fitting = [int(note.values["to"]) for note in notes if note.topic == "oom"]
    return History(
        rollbacks=sum(note.topic == "rollback" for note in notes),
        micro=min(fitting, default=None),
    )


class Journal:
    """Events of one attempt. On other processes than the leading one `emit` does nothing."""

    def __init__(self, folder: Path, group: Group) -> None:
        self._folder = folder
        self.attempt: int = group.share(last_attempt(folder) + 1 if group.leads else None)
        self.past: tuple[Logged, ...] = tuple(read_events(folder)) if group.leads else ()
        """What earlier attempts recorded; empty on other processes than the leading one."""
        self.history: History = group.share(history_of(self.past) if group.leads else None)
        self._log = EventLog(folder, self.attempt) if group.leads else None
        self.step = 0
        self.train_seconds = 0.0
        """Of this attempt."""

    def emit(self, event: Event) -> None:
        if self._log is not None:
            self._log.append(event, durable=event.kind in DURABLE)

    def insist(self, event: Event) -> None:
        """Write an event from whatever process, for what the leading one cannot know."""
        if self._log is not None:
            self.emit(event)
            return
        with EventLog(self._folder, self.attempt) as log:
            log.append(event, durable=True)

    def events(self) -> list[Logged]:
        """The whole record of the run, as it is on the disk now."""
        return list(read_events(self._folder))

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
