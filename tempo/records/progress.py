"""Follow how far a run is, event by event: steps, validations, checkpoints, attempts lost."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from tempo.records.events import (
    LOST_LEASE,
    AttemptStarted,
    CheckpointSaved,
    Claimed,
    Event,
    Finished,
    Logged,
    Trained,
    Validated,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostAttempt:
    """An attempt whose worker lost its lease, or died without a word.

    `why` is empty where it did not say; `next_step` is the step from which the next attempt went
    on, None before it did.
    """

    attempt: int
    why: str = ""
    next_step: int | None = None

    def __str__(self) -> str:
        why = self.why or "it ended without a word (its worker died, froze or lost its lease)"
        went = f", and the next one went on from step {self.next_step}" if self.next_step else ""
        went = ", and the next one began again at step 0" if self.next_step == 0 else went
        return f"attempt {self.attempt} was lost: {why}{went}"


@dataclass(slots=True)
class Progress:
    """How far a run is, from the events read so far. Steps and times are of the last attempt.

    `curve` holds the metrics of each validation that counts, by step; `saved` is the step of the
    last checkpoint; `environment` is where the last attempt runs, `environments` are those that the
    attempts whose work counts recorded; `lost` are the earlier attempts that lost their leases or
    did not say how they ended.
    """

    attempt: int = 0
    step: int = 0
    total: int = 0
    started: float = 0.0
    first_step: int = 0
    updated: float = 0.0
    finish: Finished | None = None
    curve: MutableMapping[int, Mapping[str, float]] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    environments: tuple[Mapping[str, Any], ...] = ()
    lost: tuple[LostAttempt, ...] = ()
    saved: int = 0

    def take(self, logged: Logged) -> None:
        if logged.attempt < self.attempt:
            # Fencing: written by a process that was taken for dead, after a newer attempt began.
            return
        event: Event = logged.event
        if 0 < self.attempt < logged.attempt and self.loses:
            why = self.finish.message if self.finish else ""
            self.lost += (LostAttempt(attempt=self.attempt, why=why),)
        self.attempt, self.updated = logged.attempt, logged.time
        if isinstance(event, Claimed):
            self.started, self.finish = logged.time, None
            self.first_step = self.step
        elif isinstance(event, AttemptStarted):
            self.started, self.finish = logged.time, None
            self.step = self.first_step = self.saved = event.resumed_step
            self.lost = tuple(
                replace(each, next_step=event.resumed_step) if each.next_step is None else each
                for each in self.lost
            )
            self.total, self.environment = event.total_steps, event.environment
            earlier = () if event.afresh else self.environments
            self.environments = (*earlier, event.environment) if event.environment else earlier
            self.curve = {step: v for step, v in self.curve.items() if step <= self.step}
        elif isinstance(event, Trained):
            self.step = event.step
        elif isinstance(event, Validated):
            self.step = event.step
            self.curve[event.step] = event.values
        elif isinstance(event, CheckpointSaved):
            self.saved = event.step
        elif isinstance(event, Finished):
            self.finish = event

    @property
    def loses(self) -> bool:
        """Whether the last attempt is lost, should it not go on."""
        return self.finish is None or self.finish.failure == LOST_LEASE

    @property
    def psnr(self) -> float | None:
        """Of the last validation that counts."""
        return self.curve[max(self.curve)].get("psnr") if self.curve else None

    @property
    def rate(self) -> float | None:
        """Steps per second of this attempt so far; None before the first step was reported."""
        done, took = self.step - self.first_step, self.updated - self.started
        return done / took if done > 0 and took > 0 else None
