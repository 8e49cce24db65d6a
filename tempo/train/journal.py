"""The record that an attempt writes: by the leading process alone."""

from __future__ import annotations

from pathlib import Path

from tempo.records.events import Event, Logged
from tempo.records.log import EventLog, last_attempt, read_events

DURABLE = {"checkpoint", "evaluation", "finish"}
"""Events that later work relies on: on the disk before it goes on."""


class Journal:
    """Events of one attempt. On other processes than the leading one nothing is written."""

    def __init__(self, folder: Path, *, leads: bool) -> None:
        self._folder = folder
        self._log = EventLog(folder, last_attempt(folder) + 1) if leads else None
        self.past: tuple[Logged, ...] = tuple(read_events(folder)) if leads else ()
        """What earlier attempts recorded."""
        self.step = 0
        self.train_seconds = 0.0
        """Of this attempt."""

    def emit(self, event: Event) -> None:
        if self._log is not None:
            self._log.append(event, durable=event.kind in DURABLE)

    def events(self) -> list[Logged]:
        """The whole record of the run, as it is on the disk now."""
        return list(read_events(self._folder))

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
