"""Read a run's record: the result of its events, without what later attempts superseded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tempo.core.records import RunSpec, RunStatus
from tempo.records.event_log import read_events
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Claimed,
    Evaluated,
    Finished,
    ImageSaved,
    Logged,
    ModelBuilt,
    Noted,
    Trained,
    Validated,
)
from tempo.records.layout import load_run


def device_hours(seconds: float, devices: float = 1) -> float:
    """Return the hours that `devices` held for `seconds` amount to."""
    return seconds * devices / 3600


def devices_of(environment: Mapping[str, Any]) -> int:
    """Return how many devices (GPUs, or slots of a CPU) an attempt recorded that it used."""
    devices = environment.get("world_size", 1)
    return devices if isinstance(devices, int) else 1


def gpus_of(environment: Mapping[str, Any]) -> int:
    """Return how many GPUs an attempt recorded that it used: none where its device was a CPU."""
    on_cpu = str(environment.get("device", "cpu")).startswith("cpu")
    return 0 if on_cpu else devices_of(environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One process execution. `last_step` is the last step it reported; `finish` None: killed.

    `afresh`: it left nothing of what earlier attempts did.
    """

    number: int
    started: float
    ended: float
    resumed_step: int
    last_step: int
    total_steps: int
    environment: Mapping[str, Any]
    finish: Finished | None
    afresh: bool = False

    @property
    def train_seconds(self) -> float:
        """Seconds spent training; an attempt that was killed counts by its span."""
        return self.finish.train_seconds if self.finish else self.ended - self.started


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as recorded, without what a later attempt superseded.

    `attempts` are all there were; `lineage` those whose work is part of the result.
    """

    folder: Path
    spec: RunSpec
    status: RunStatus
    attempts: tuple[Attempt, ...]
    model: ModelBuilt | None
    train: tuple[Trained, ...]
    validations: tuple[Validated, ...]
    images: tuple[ImageSaved, ...]
    checkpoints: tuple[CheckpointSaved, ...]
    evaluations: tuple[Evaluated, ...]
    finish: Finished | None
    notes: tuple[Noted, ...] = ()

    @property
    def run_id(self) -> str:
        return self.spec.run_id

    @property
    def test(self) -> Evaluated | None:
        """The evaluation on the test split, or None when there is none yet."""
        return next((each for each in self.evaluations if each.split == "test"), None)

    @property
    def step(self) -> int:
        """The last step that counts."""
        trained = max((event.step for event in self.train), default=0)
        saved = max((event.step for event in self.checkpoints), default=0)
        return max(trained, saved)

    @property
    def lineage(self) -> tuple[Attempt, ...]:
        """The attempts from the last one that started afresh on."""
        starts = [place for place, each in enumerate(self.attempts) if each.afresh]
        return self.attempts[starts[-1] :] if starts else self.attempts

    @property
    def train_seconds(self) -> float:
        """Seconds spent training in all attempts whose work is part of the result."""
        return sum(attempt.train_seconds for attempt in self.lineage)

    @property
    def device_hours(self) -> float:
        """Hours of training, those of each attempt times the devices that it used."""
        return sum(
            device_hours(attempt.train_seconds, devices_of(attempt.environment))
            for attempt in self.lineage
        )


def effective(events: Iterable[Logged]) -> list[Logged]:
    """Return the events that count: an attempt resumed at step s supersedes those after s, and one
    that starts afresh supersedes everything but the starts and ends of attempts."""
    kept: list[Logged] = []
    for logged in events:
        if isinstance(logged.event, AttemptStarted):
            kept = [old for old in kept if not _superseded(old, logged.event)]
        kept.append(logged)
    return kept


def _superseded(logged: Logged, start: AttemptStarted) -> bool:
    event = logged.event
    # Starts and ends always count: they tell what happened, not what was learned.
    if isinstance(event, Claimed | AttemptStarted | Finished):
        return False
    if start.afresh:
        return True
    if isinstance(event, ModelBuilt):
        return False
    if isinstance(event, Noted) and event.lasting:
        return False
    step: int = getattr(event, "step", 0)
    return step > start.resumed_step


def _attempts(events: list[Logged]) -> tuple[Attempt, ...]:
    numbers = sorted({logged.attempt for logged in events})
    return tuple(_attempt(n, [each for each in events if each.attempt == n]) for n in numbers)


def _attempt(number: int, events: list[Logged]) -> Attempt:
    start = next((e.event for e in events if isinstance(e.event, AttemptStarted)), None)
    finish = next((e.event for e in events if isinstance(e.event, Finished)), None)
    begun = start.resumed_step if start else 0
    return Attempt(
        number=number,
        started=events[0].time,
        ended=events[-1].time,
        resumed_step=begun,
        last_step=max((getattr(e.event, "step", begun) for e in events), default=begun),
        total_steps=start.total_steps if start else 0,
        environment=start.environment if start else {},
        finish=finish,
        afresh=start.afresh if start else False,
    )


def _status(attempts: tuple[Attempt, ...]) -> RunStatus:
    """Without asking whether a process is alive: an attempt without an end reads as stopped."""
    if not attempts:
        return RunStatus.PLANNED
    finish = attempts[-1].finish
    return RunStatus(finish.status) if finish else RunStatus.STOPPED


CURVES = ("train", "val", "image", "checkpoint")
"""Kinds of event that a run's result does not need."""


def read_result(folder: Path) -> RunRecord:
    """A run without its curves, images and checkpoints: what a table needs, read far quicker.

    A killed attempt's end is its last event of any kind, so such a run is read whole.
    """
    run = read_run(folder, without=CURVES)
    if all(attempt.finish for attempt in run.attempts):
        return run
    return read_run(folder)


def read_run(folder: Path, without: Collection[str] = ()) -> RunRecord:
    """Read a run's folder. Events of a kind in `without` are left out, and unknown to the result.

    Raises:
        RecordError: when the folder holds no run or its events cannot be read.
    """
    spec = load_run(folder)
    everything = list(read_events(folder, without=without))
    attempts = _attempts(everything)
    events = [logged.event for logged in effective(everything)]
    return RunRecord(
        folder=folder,
        spec=spec,
        status=_status(attempts),
        attempts=attempts,
        model=next((e for e in events if isinstance(e, ModelBuilt)), None),
        train=tuple(e for e in events if isinstance(e, Trained)),
        validations=tuple(e for e in events if isinstance(e, Validated)),
        images=tuple(e for e in events if isinstance(e, ImageSaved)),
        checkpoints=tuple(e for e in events if isinstance(e, CheckpointSaved)),
        evaluations=tuple(e for e in events if isinstance(e, Evaluated)),
        notes=tuple(e for e in events if isinstance(e, Noted)),
        finish=attempts[-1].finish if attempts else None,
    )
