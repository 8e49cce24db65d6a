"""Estimate the time until runs and whole studies end, from the rates observed so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Protocol

from tempo.core.records import PlannedRun, RunStatus
from tempo.records.event_log import Progress


class ObservedRun(Protocol):
    """A run with its status and progress."""

    @property
    def run(self) -> PlannedRun: ...
    @property
    def status(self) -> RunStatus: ...
    @property
    def progress(self) -> Progress: ...
    @property
    def ended(self) -> bool:
        """Whether the run will not be continued."""


def run_seconds_left(status: RunStatus, progress: Progress) -> float | None:
    """Return the seconds until a running run ends; None before its first steps."""
    if status is not RunStatus.RUNNING or progress.rate is None:
        return None
    return max(progress.total - progress.step, 0) / progress.rate


def _duration(view: ObservedRun) -> float | None:
    """Return the seconds that the whole run takes; None before its first steps."""
    progress = view.progress
    if progress.finish is not None and progress.finish.status == RunStatus.COMPLETE:
        done = progress.finish.step - progress.first_step
        took = progress.finish.seconds
        return took * progress.total / done if done > 0 else took
    return progress.total / progress.rate if progress.rate else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def study_seconds_left(views: Sequence[ObservedRun], slots: int) -> float | None:
    """Return the seconds until all runs ended on `slots` slots; None while nothing is known.

    A run that has not started is assumed to last as long as the mean of its variant's other
    replicates, or else of all trained runs.
    """
    whole = {view.run.run_id: _duration(view) for view in views}
    by_variant: dict[str, list[float | None]] = {}
    for view in views:
        by_variant.setdefault(view.run.variant, []).append(whole[view.run.run_id])
    mean = {variant: _mean(values) for variant, values in by_variant.items()}
    overall = _mean(whole[view.run.run_id] for view in views if view.run.seed is not None)
    left = []
    for view in views:
        if view.ended:
            continue
        own = run_seconds_left(view.status, view.progress) or mean[view.run.variant] or overall
        if own is not None:
            left.append(own)
    if not left and not all(view.ended for view in views):
        return None
    return max(sum(left) / max(slots, 1), max(left, default=0.0))
