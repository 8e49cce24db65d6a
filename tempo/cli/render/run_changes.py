"""Describe changes of a study's runs in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from tempo.core.records import RunStatus
from tempo.launch.scheduling.failure_policy import POLICIES
from tempo.launch.scheduling.run_view import RunView


def duration(seconds: float | None) -> str:
    """`1:02:03`, or a dash while unknown."""
    return "-" if seconds is None else str(timedelta(seconds=round(seconds)))


def counts(views: Sequence[RunView]) -> str:
    """`3 of 12 runs complete, 1 of them before, 1 failed, 2 elsewhere`."""
    ended = Counter(view.status for view in views)
    said = {
        "of them before": sum(view.reused for view in views),
        "failed": ended[RunStatus.FAILED],
        "held back": sum(bool(view.held_back) for view in views),
        "running elsewhere": sum(view.elsewhere is not None for view in views),
        "queued": sum(view.queued for view in views),
    }
    parts = [f"{ended[RunStatus.COMPLETE]} of {len(views)} runs complete"]
    return ", ".join([*parts, *(f"{count} {what}" for what, count in said.items() if count)])


def _change(view: RunView) -> str | None:
    """The sentence for a run whose state just changed; None for one not worth a line."""
    title, step = view.run.title, view.progress.step
    if view.held_back:
        return f"held back {title}: {view.held_back}"
    if view.status is RunStatus.COMPLETE:
        return None if view.reused else _completed(view)
    if view.status is RunStatus.FAILED:
        return _failed(view)
    if view.status is RunStatus.RUNNING:
        return _started(view)
    if view.withdrawn or view.status is RunStatus.STOPPED:
        return f"stopped   {title} at step {step}"
    return f"lost      {title} at step {step}; it is tried again" if view.lost else None


def _started(view: RunView) -> str:
    if view.elsewhere is not None:
        return f"elsewhere {view.run.title} ({view.key}): {view.elsewhere} carries it out"
    where = f" on {view.where}" if view.where else ""
    return f"started   {view.run.title} ({view.key}){where}"


def _completed(view: RunView) -> str:
    progress = view.progress
    psnr = "" if progress.psnr is None else f", validation PSNR {progress.psnr:.2f} dB"
    took = None if progress.finish is None else progress.finish.seconds
    return f"complete  {view.run.title} in {duration(took)}{psnr}"


def _failed(view: RunView) -> str:
    finish = view.progress.finish
    failure, message = (finish.failure, finish.message) if finish else (None, "")
    why = POLICIES[failure].why if failure in POLICIES else ""
    lines = [f"FAILED    {view.run.title} ({failure}): {message}", why and f"  {why}"]
    log = f"  log: {view.log}" if view.log.name else f"  tempo logs {view.key}"
    return "\n".join([line for line in lines if line] + [log])


class Changes:
    """Which runs changed their state since the last look."""

    def __init__(self) -> None:
        self._last: dict[str, object] = {}

    def since(self, views: Sequence[RunView]) -> list[str]:
        lines = []
        for view in views:
            away = view.elsewhere is not None
            state = (view.status, away, view.lost, view.withdrawn, bool(view.held_back))
            before = self._last.get(view.key, (RunStatus.PLANNED, False, 0, False, False))
            self._last[view.key] = state
            line = _change(view) if state != before else None
            if line:
                lines.append(line)
        return lines
