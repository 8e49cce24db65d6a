"""Write a search's winner as a study file of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from tempo.core.errors import TempoError
from tempo.core.own_command import page_command
from tempo.design.expand import expand
from tempo.records.files import write_atomic
from tempo.records.search_record import Confirmation, SearchSummary, TrialRecord
from tempo.spec.load import LoadedStudy, load_study
from tempo.spec.yaml.value_tree import merge, plain
from tempo.tuning.space import Point, Space

WINNER = "winner"


def export(summary: SearchSummary, trial: TrialRecord, loaded: LoadedStudy, path: Path) -> None:
    """Write a trial as a study file, whose runs are then the trial's own.

    Raises:
        TempoError: the file would ask for other runs, because the search ran under `--set` or its
            file was changed since.
    """
    space = Space(loaded)
    if trial.outside:
        point = space.variant(trial.variant, space.place)
    else:
        point = space.point(trial.params)
    text = _text(summary, trial, point, path)
    draft = path.with_name(f".{path.name}.draft")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.write_text(text, encoding="utf-8")
        plan = expand(load_study(draft, profile=summary.profile))
    finally:
        draft.unlink(missing_ok=True)
    asked = {run.run_id for run in plan.runs}
    if not asked >= {run.run_id for run in trial.runs}:
        raise TempoError(
            f"{path} would not give the runs of {trial.variant}: {summary.source} was changed "
            "since, or the search ran with --set. Write those settings into the file first."
        )
    write_atomic(path, lambda file: file.write(text.encode()))


def _text(summary: SearchSummary, trial: TrialRecord, point: Point, path: Path) -> str:
    """Return a study file for `path` whose only variant is `trial`, with the same runs.

    It builds on the search's own file. What was found under a profile is written under that
    profile, since a profile overrides what stands beside it.
    """
    study = path.stem
    value: dict[str, Any] = {
        "base": os.path.relpath(summary.source, path.parent),
        "study": study,
        "question": f"What does {trial.variant} of the search {summary.study} reach?",
        "search": None,
        "variants": {WINNER: {}},
        "design": [{"kind": "list", "variants": [WINNER]}],
        "baseline": WINNER,
        "seeds": list(summary.seeds),
    }
    changes = _changes(point)
    if summary.profile is None:
        value |= changes
    else:
        # The profile of the search may describe a search of its own.
        own = {**changes, "search": None, "seeds": list(summary.seeds)}
        value["profiles"] = {summary.profile: own}
    head = "".join(f"# {line}".rstrip() + "\n" for line in _comment(summary, trial, path))
    body = yaml.safe_dump(value, sort_keys=False, width=100, default_flow_style=None)
    return head + body


def _changes(point: Point) -> Mapping[str, Any]:
    """Return what the winner changes of the study, its levels merged."""
    changes: Mapping[str, Any] = plain(reduce(merge, point.overlays)) if point.overlays else {}
    return changes


def _comment(summary: SearchSummary, trial: TrialRecord, path: Path) -> list[str]:
    profile = f" --profile {summary.profile}" if summary.profile else ""
    chosen = ("--profile", summary.profile) if summary.profile else ()
    first = summary.objectives[0]
    return [
        f"{trial.variant}, found by the search {summary.study} ({summary.source}{profile}).",
        "",
        f"  {page_command('run', path, *chosen)}",
        "",
        f"Validation {first.name} in the search: {trial.values[0]:.{first.digits}f} {first.unit}"
        f" over {_count(len(trial.runs))}{_confirmed(summary, trial)}.",
    ]


def _count(number: int, kind: str = "") -> str:
    return f"{number} {kind}seed{'' if number == 1 else 's'}"


def _confirmed(summary: SearchSummary, trial: TrialRecord) -> str:
    found: Confirmation | None = next(
        (each for each in summary.confirmed if each.trial == trial.variant), None
    )
    if found is None or found.fresh is None:
        return ""
    digits = summary.objectives[0].digits
    return f"; on {_count(found.fresh.count, 'fresh ')}: {found.fresh.mean:.{digits}f}"
