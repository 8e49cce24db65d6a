"""How long the rest will take, from what the runs have shown so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Protocol

from tempo.core.records import PlannedRun, RunStatus
from tempo.records.event_tail import Progress


class Seen(Protocol):
    """A run of which something is known."""

    @property
    def run(self) -> PlannedRun: ...
    @property
    def status(self) -> RunStatus: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def ended(self) -> bool:
        """Whether nothing more becomes of it."""


def run_seconds_left(status: RunStatus, progress: Progress) -> float | None:
    """Seconds a running run still needs at its rate so far; None before its first steps."""
    if status is not RunStatus.RUNNING or progress.rate is None:
        return None
    return max(progress.total - progress.step, 0) / progress.rate


def _whole(view: Seen) -> float | None:
    """Seconds the whole run takes, if it has shown enough to tell."""
    progress = view.progress
    if progress.finish is not None and progress.finish.status == RunStatus.COMPLETE:
        done = progress.finish.step - progress.first_step
        took = progress.finish.seconds
        return took * progress.total / done if done > 0 else took
    return progress.total / progress.rate if progress.rate else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def study_seconds_left(views: Sequence[Seen], slots: int) -> float | None:
    """Seconds until all runs ended on `slots` slots; None while nothing is known.

    A run that has not started is taken to last as long as its variant's other replicates, or
    else as long as the mean run.
    """
    whole = {view.run.run_id: _whole(view) for view in views}
    kin: dict[str, list[float | None]] = {}
    for view in views:
        kin.setdefault(view.run.variant, []).append(whole[view.run.run_id])
    mean = {variant: _mean(values) for variant, values in kin.items()}
    anyone = _mean(whole[view.run.run_id] for view in views if view.run.seed is not None)
    left = []
    for view in views:
        if view.ended:
            continue
        own = run_seconds_left(view.status, view.progress) or mean[view.run.variant] or anyone
        if own is not None:
            left.append(own)
    if not left and not all(view.ended for view in views):
        return None
    return max(sum(left) / max(slots, 1), max(left, default=0.0))
