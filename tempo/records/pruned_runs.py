"""Note and read which runs of a search were pruned, so that they are not taken for stopped ones.

A run belongs to no study, and its own record says that it was stopped. Why it was is known to the
search alone, and stands beside its trials:

<root>/studies/<study>/search/<profile>/pruned.jsonl    one line a run that was pruned or goes on
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tempo.core.errors import RecordError
from tempo.core.records import Plan, RunStatus
from tempo.records.files import FORMAT, is_there, read_bytes
from tempo.records.json_text import parse_json
from tempo.records.layout import Store
from tempo.records.search_record import load_search, search_dir

NAME = "pruned.jsonl"


def note_pruned(
    store: Store, study: str, profile: str | None, run_ids: Iterable[str], *, pruned: bool
) -> None:
    """Note that runs were pruned, or with `pruned=False` that pruned ones go on after all."""
    lines = [json.dumps({"run_id": each, "pruned": pruned, "format": FORMAT}) for each in run_ids]
    if not lines:
        return
    path = _path(store, study, profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_there(path)  # Refuses what is no file: writing into a named pipe would wait for ever.
    with path.open("ab") as file:
        # One write, so that lines of several drivers do not mix; a new line first, in case that one
        # of them was killed within a line.
        file.write("".join(f"\n{line}\n" for line in lines).encode())


def pruned_runs(store: Store, plan: Plan) -> frozenset[str]:
    """Return the ids of a plan's runs that a search pruned; empty for a plan without a search."""
    if not plan.spec.get("search"):
        return frozenset()
    return pruned_in(store, plan.study, plan.profile)


def pruned_in(store: Store, study: str, profile: str | None) -> frozenset[str]:
    """Return the ids of the runs that the search of a study under a profile pruned.

    Searches of earlier versions noted none: there the summary of their trials counts.
    """
    known = set(_summarised(store, study, profile))
    for line in _noted(_path(store, study, profile)):
        try:
            value = parse_json(line)
            run_id, pruned = str(value["run_id"]), bool(value["pruned"])
        except (ValueError, KeyError, TypeError):
            # A driver that was killed left half a line, which tells nothing.
            continue
        (known.add if pruned else known.discard)(run_id)
    return frozenset(known)


def _noted(path: Path) -> list[bytes]:
    """Return the lines of the notes; none where they cannot be read.

    Without them a pruned run is only called stopped, which must not end a report.
    """
    try:
        return read_bytes(path).splitlines() if is_there(path) else []
    except RecordError:
        return []


def _summarised(store: Store, study: str, profile: str | None) -> Iterator[str]:
    try:
        trials = load_search(store, study, profile or "default").trials
    except (RecordError, ValueError):
        # There is no summary yet, or none that can be read.
        return
    for trial in trials:
        if trial.state == "pruned":
            yield from (run.run_id for run in trial.runs)


def _path(store: Store, study: str, profile: str | None) -> Path:
    return search_dir(store, study) / (profile or "default") / NAME


def status_in(run_id: str, status: RunStatus, pruned: frozenset[str]) -> RunStatus:
    """Return a run's status as its search sees it, which pruned the runs `pruned`."""
    return searched_status(status, pruned=run_id in pruned)


def searched_status(status: RunStatus, *, pruned: bool) -> RunStatus:
    """Return a run's status as a search sees it: one that was stopped by pruning is pruned."""
    return RunStatus.PRUNED if status is RunStatus.STOPPED and pruned else status
