"""Tell of the runs whose weights a run takes: have they results, still the same, at what cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tempo.core.errors import RecordError
from tempo.core.records import Parent, RunStatus
from tempo.records.event_log import Tail, read_events
from tempo.records.events import EVENTS, AttemptStarted, Evaluated
from tempo.records.files import inside, is_there
from tempo.records.layout import load_run
from tempo.records.run_record import effective, read_result

_WITHOUT = tuple(kind for kind in EVENTS if kind not in {AttemptStarted.kind, Evaluated.kind})

PARENTS = "parents"
"""Where an attempt's environment holds, by run id, the SHA-256 of the weights that were taken."""


def recorded_weights(folder: Path) -> str | None:
    """Return the SHA-256 of the weights that a run's result was made with.

    Empty where the record is older than such hashes; None while there is no result that counts.
    """
    events = [each.event for each in effective(read_events(folder, without=_WITHOUT))]
    found = [each for each in events if isinstance(each, Evaluated) and each.split == "test"]
    return found[0].weights if found else None


def changed_parent(folder: Path, environment: Mapping[str, Any]) -> str | None:
    """Return the id of a parent that was trained again since the run in `folder` took its weights.

    `environment` is that of the run's newest attempt. None where all are as they were, or gone.
    """
    taken: Mapping[str, str] = environment.get(PARENTS, {})
    for run_id, weights in taken.items():
        parent = inside(folder.parent, run_id)
        if not is_there(parent / "run.json"):
            continue
        now = recorded_weights(parent)
        if now not in {"", weights}:
            return run_id
        if (above := changed_parent(parent, _environment(parent))) is not None:
            return above
    return None


def _environment(folder: Path) -> Mapping[str, Any]:
    starts = [
        each.event.environment
        for each in read_events(folder, without=_WITHOUT)
        if isinstance(each.event, AttemptStarted)
    ]
    return starts[-1] if starts else {}


def hours_behind(folder: Path) -> float | None:
    """Return the device-hours of all recorded runs that the weights of the run in `folder` come
    from, each once; None where it takes none, or where one of them is gone."""
    runs: dict[str, float] = {}
    waiting = list(load_run(folder).parents)
    for parent in waiting:
        if parent.run_id is None or parent.run_id in runs:
            continue
        above = folder.parent / parent.run_id
        if not is_there(above / "run.json"):
            return None
        record = read_result(above)
        runs[parent.run_id] = record.device_hours
        waiting += record.spec.parents
    return sum(runs.values()) if runs else None


def unready_parent(runs: Path, parents: Iterable[Parent]) -> str | None:
    """Say which parent has no result yet, and why; None when all have one.

    `runs` is the folder that holds the folders of all runs.
    """
    for parent in parents:
        if parent.run_id is None:
            continue
        name = f"{parent.source} (run {parent.run_id})"
        tail = Tail(runs / parent.run_id)
        try:
            tail.catch_up()
        except RecordError as error:
            return f"it builds on {name}, whose record cannot be read: {error}"
        finish = tail.progress.finish
        if finish is not None and finish.status == RunStatus.COMPLETE:
            continue
        if finish is not None and finish.status == RunStatus.FAILED:
            return f"it builds on {name}, which failed: {finish.message or 'no cause is known'}"
        return f"it builds on {name}, which has no result yet"
    return None
