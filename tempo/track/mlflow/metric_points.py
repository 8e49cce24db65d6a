"""Convert events to metric points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tempo.records.events import (
    AttemptStarted,
    Evaluated,
    Finished,
    Logged,
    ModelBuilt,
    Trained,
    Validated,
)
from tempo.records.run_record import device_hours, gpus_of
from tempo.track.store_names import safe_key

SYSTEM = "system/"
"""MLflow shows metrics of this prefix on a page of their own."""

FINAL = 0
"""The step of figures that a run has once: MLflow then compares runs by bars instead of drawing
curves of one point. The step of the evaluated checkpoint is the tag `test_step`."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one metric. `timestamp`: milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


def milliseconds(time: float) -> int:
    """Unix seconds as the whole milliseconds that tracking stores keep."""
    return round(time * 1000)


def _named(logged: Logged) -> Iterator[tuple[str, float, int]]:
    event = logged.event
    match event:
        case Trained():
            for name, value in event.values.items():
                yield (name if name.startswith(SYSTEM) else f"train/{name}"), value, event.step
        case Validated():
            for name, value in event.values.items():
                yield f"val/{name}", value, event.step
        case Evaluated():
            # "val/" is the curve over training; the final figure of another split stands apart.
            prefix = event.split if event.split == "test" else f"final_{event.split}"
            for name, value in event.values.items():
                yield f"{prefix}/{name}", value, FINAL
        case ModelBuilt():
            yield "cost/parameters", event.parameters, FINAL
            yield "cost/macs", event.macs, FINAL


def points_of(logged: Logged) -> list[Point]:
    """The points of one event: `train/<name>`, `val/<name>`, `test/<name>`, `cost/<name>`.

    The cost of a finished attempt needs the attempts before it: see `cost_points`.
    """
    timestamp = milliseconds(logged.time)
    return [
        Point(safe_key(key), float(value), timestamp, step) for key, value, step in _named(logged)
    ]


def cost_points(logged: Logged, until: Sequence[Logged]) -> list[Point]:
    """What the run had cost when `logged`, a Finished that is no interruption, was written.

    `until` holds the run's events up to then, superseded ones included: their time was spent.
    Peak memory is in MiB, training time in seconds; GPU-hours only where a GPU was used.
    """
    event = logged.event
    if not isinstance(event, Finished) or event.status == "stopped":
        return []
    values = {
        "cost/train_seconds": spent(until),
        "cost/peak_memory_mib": event.peak_memory / 2**20,
        "cost/gpu_hours": gpu_hours(until),
    }
    stamp = milliseconds(logged.time)
    return [Point(k, value, stamp, FINAL) for k, value in values.items() if value is not None]


def spent(events: Iterable[Logged]) -> float:
    """Return the training seconds of all attempts; one without an end counts by its span."""
    return sum(_seconds_by_attempt(events).values())


def _seconds_by_attempt(events: Iterable[Logged]) -> dict[int, float]:
    first: dict[int, float] = {}
    seconds: dict[int, float] = {}
    for logged in events:
        begun = first.setdefault(logged.attempt, logged.time)
        if isinstance(logged.event, Finished):
            seconds[logged.attempt] = logged.event.train_seconds
        else:
            seconds[logged.attempt] = logged.time - begun
    return seconds


def gpu_hours(events: Sequence[Logged]) -> float | None:
    """Return the training hours of all attempts, each times the GPUs it used; None without one."""
    seconds = _seconds_by_attempt(events)
    gpus = {
        logged.attempt: gpus_of(logged.event.environment)
        for logged in events
        if isinstance(logged.event, AttemptStarted)
    }
    if not any(gpus.values()):
        return None
    return sum(device_hours(seconds[attempt], count) for attempt, count in gpus.items())
