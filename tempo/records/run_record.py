"""Read a run's record: the result of its events, without what later attempts superseded."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tempo.core.records import RunSpec, RunStatus
from tempo.records.event_log import NAME, read_events
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Claimed,
    Evaluated,
    Event,
    Finished,
    ImageSaved,
    Logged,
    ModelBuilt,
    Noted,
    Trained,
    Validated,
)
from tempo.records.layout import load_run
from tempo.records.memory.derived_values import Source
from tempo.records.memory.kept_curves import field_of, packed, unpacked
from tempo.records.memory.kept_events import events_from, events_to_bytes


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
    train: Sequence[Trained]
    validations: Sequence[Validated]
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
        trained = max(field_of(self.train, "step"), default=0)
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
    def cpu_seconds(self) -> float | None:
        """Processor seconds of all attempts whose work is part of the result.

        None when one of them recorded none: a sum without it would be too small.
        """
        ends = [attempt.finish for attempt in self.lineage]
        spent = [end.cpu_seconds for end in ends if end and end.cpu_seconds is not None]
        return sum(spent) if spent and len(spent) == len(ends) else None

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

    A killed attempt's end is its last event of any kind, so such a run is read whole. Of others
    the events that were read are remembered: see `remembering`.
    """
    source = Source(folder / NAME)
    kept = source.recall("result")
    everything = None if kept is None else events_from(kept)
    if everything is None:
        everything = list(read_events(folder, without=CURVES))
        run = _record(folder, load_run(folder), everything)
        if run.attempts and not _ended(run):
            return read_run(folder)
        source.keep("result", events_to_bytes(everything))
        return run
    return _record(folder, load_run(folder), everything)


def read_run(folder: Path, without: Collection[str] = ()) -> RunRecord:
    """Read a run's folder. Events of a kind in `without` are left out, and unknown to the result.

    Of a run that ended the events that were read are remembered, its curves in columns: see
    `remembering`.

    Raises:
        RecordError: when the folder holds no run or its events cannot be read.
    """
    spec = load_run(folder)
    source = Source(folder / NAME)
    if not without and (kept := _recalled(folder, spec, source)) is not None:
        return kept
    everything = list(read_events(folder, without=without))
    run = _record(folder, spec, everything)
    if not without and source.remembered and _ended(run):
        source.keep("result", events_to_bytes(_of_result(everything)))
        beside = [
            [[each.number, each.ended, each.last_step] for each in run.attempts],
            events_to_bytes(_of_steps(everything, (*run.images, *run.checkpoints))).decode(),
        ]
        curves = packed([(Trained, run.train), (Validated, run.validations)], beside)
        source.keep("curves", curves)
        # As columns they take a fraction of the memory, from the first time on.
        (train, validations), _ = unpacked(curves, (Trained, Validated))
        run = replace(run, train=train, validations=validations)
    return run


def _recalled(folder: Path, spec: RunSpec, source: Source) -> RunRecord | None:
    """Return the record of a run by what is remembered of it; None where that is not all."""
    result, curves = source.recall("result"), source.recall("curves")
    everything = None if result is None or curves is None else events_from(result)
    if everything is None or curves is None:
        return None
    with suppress(TypeError, ValueError, struct.error):
        (train, validations), (ends, others) = unpacked(curves, (Trained, Validated))
        saved = [each.event for each in events_from(others.encode()) or ()]
        run = _record(folder, spec, everything)
        return replace(
            run,
            attempts=tuple(
                replace(each, number=number, ended=ended, last_step=last)
                for each, (number, ended, last) in zip(run.attempts, ends, strict=True)
            ),
            train=train,
            validations=validations,
            images=tuple(e for e in saved if isinstance(e, ImageSaved)),
            checkpoints=tuple(e for e in saved if isinstance(e, CheckpointSaved)),
        )
    return None


def _ended(run: RunRecord) -> bool:
    """Return whether all attempts of a run that began recorded their ends."""
    return bool(run.attempts) and all(attempt.finish for attempt in run.attempts)


def _of_result(events: Iterable[Logged]) -> list[Logged]:
    return [each for each in events if each.event.kind not in CURVES]


def _of_steps(events: Iterable[Logged], chosen: Collection[Event]) -> list[Logged]:
    """Return those of the events that are among the `chosen` ones themselves."""
    there = {id(event) for event in chosen}
    return [each for each in events if id(each.event) in there]


def _record(folder: Path, spec: RunSpec, everything: list[Logged]) -> RunRecord:
    """Return the record that the events of a run amount to, superseded ones included."""
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
