"""Following a run's events while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tempo.records.events import AttemptStarted, Event, Finished, Logged, Trained, Validated
from tempo.records.log import read_events


@dataclass(slots=True)
class Progress:
    """How far a run is, from the events read so far. Steps and times are of the last attempt."""

    attempt: int = 0
    step: int = 0
    total: int = 0
    started: float = 0.0
    first_step: int = 0
    updated: float = 0.0
    psnr: float | None = None
    finish: Finished | None = None

    def take(self, logged: Logged) -> None:
        event: Event = logged.event
        self.attempt, self.updated = logged.attempt, logged.time
        if isinstance(event, AttemptStarted):
            self.started, self.finish = logged.time, None
            self.step = self.first_step = event.resumed_step
            self.total = event.total_steps
        elif isinstance(event, Trained):
            self.step = event.step
        elif isinstance(event, Validated):
            self.step, self.psnr = event.step, event.values.get("psnr")
        elif isinstance(event, Finished):
            self.finish = event

    @property
    def rate(self) -> float | None:
        """Steps per second of this attempt so far; None before the first step was reported."""
        done, took = self.step - self.first_step, self.updated - self.started
        return done / took if done > 0 and took > 0 else None


class Tail:
    """Reads what was appended to a run's events since the last read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.progress = Progress()
        self._offset = 0

    def read(self) -> Iterator[Logged]:
        """The events that are new, in order. `progress` has taken them in."""
        for logged in read_events(self.folder, self._offset):
            self._offset = logged.end
            self.progress.take(logged)
            yield logged
