"""Append to and read the looks of a study with adaptive seeds, and tell which runs they opened.

<root>/studies/<study>/seeds/<profile>.jsonl    one line a look
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun
from tempo.records.field_types import build
from tempo.records.files import FORMAT, is_there, read_bytes, take_format
from tempo.records.json_text import parse_json
from tempo.records.layout import Store

State = Literal["open", "decided", "futile", "spent", "failed"]
"""How a variant stands at a look. `open`: it gets more seeds, or would. `futile`: it cannot become
decided. `spent`: it has all the seeds there are. `failed`: its last seeds brought no new pair."""

End = Literal["", "settled", "budget", "alone"]
"""What ended the adding of seeds to a study; empty while seeds are still added. `settled`: no
variant is open. `budget`: the GPU-hours do not cover the next seeds. `alone`: there is no contrast
to decide."""


WAITING = "waiting"
NOT_NEEDED = "not needed"
"""States of a run that no look has opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantLook:
    """A variant at a look, with `seeds` seeds. `words`: its verdicts in the rule's family."""

    state: State
    seeds: int
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedLook:
    """One look at a study with adaptive seeds.

    Attributes:
        time: Unix seconds.
        seeds: the most seeds of a variant that was looked at.
        variants: how each variant with a contrast stands.
        runs: ids of the runs that the look opened.
        ended: why no run was opened; empty while the study goes on.
        fingerprint: identifies the records that were looked at.
        sentence: what the look said.
    """

    seeds: int
    variants: Mapping[str, VariantLook]
    runs: tuple[str, ...] = ()
    ended: End = ""
    fingerprint: str = ""
    sentence: str = ""
    time: float = field(default_factory=time.time)


def log_path(store: Store, plan: Plan) -> Path:
    """Return the file of a plan's looks."""
    return store.study_dir(plan.study) / "seeds" / f"{plan.profile_name}.jsonl"


@contextmanager
def looking(store: Store, plan: Plan) -> Iterator[None]:
    """Let one process at a time look at a study and decide what follows."""
    # Imported late: whoever only reads the looks must not wait for it.
    from filelock import FileLock

    path = log_path(store, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        yield


def append_look(store: Store, plan: Plan, look: SeedLook) -> None:
    """Write a look as one whole line; a line that was left unfinished is cut off first."""
    path = log_path(store, plan)
    content = read_bytes(path) if is_there(path) else b""
    if content and not content.endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)
    line = json.dumps(asdict(look) | {"format": FORMAT}, allow_nan=False)
    with path.open("ab") as file:
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def read_looks(store: Store, plan: Plan) -> tuple[SeedLook, ...]:
    """Return the looks of a plan, oldest first; none where its seeds are not adaptive.

    A last line without its newline was never finished and is left out.

    Raises:
        RecordError: naming the file and the line that cannot be read.
        FormatError: when a newer version of Tempo wrote the file.
    """
    path = log_path(store, plan)
    if plan.stages is None or not is_there(path):
        return ()
    *lines, _ = read_bytes(path).split(b"\n")
    return tuple(_look(path, number, line) for number, line in enumerate(lines, 1))


def _look(path: Path, number: int, line: bytes) -> SeedLook:
    try:
        return build(SeedLook, take_format(parse_json(line), path))
    except ValueError as error:
        raise RecordError(
            f"{path}: line {number} is no look at seeds: {error}; which runs the study asks for "
            "cannot be told, so restore the file from a copy"
        ) from error


def opened_runs(plan: Plan, looks: tuple[SeedLook, ...]) -> tuple[PlannedRun, ...]:
    """Return the runs to carry out: those of the first stage, those that looks opened, and those
    that these start from.

    All of them, where the plan's seeds are not adaptive.
    """
    stages = plan.stages
    if stages is None:
        return plan.runs
    opened = {run_id for look in looks for run_id in look.runs}
    # Runs follow those that they start from, so that one pass from the end finds all of these.
    for run in reversed(plan.runs):
        if run.run_id in opened:
            opened |= {parent.run_id for parent in run.parents if parent.run_id}
    return tuple(
        run
        for run in plan.runs
        if run.seed is None or run.seed < stages.first or run.run_id in opened
    )


def opened_plan(store: Store, plan: Plan) -> Plan:
    """Return the plan with the runs alone that are to be carried out, as its looks stand now."""
    if plan.stages is None:
        return plan
    return replace(plan, runs=opened_runs(plan, read_looks(store, plan)))


def unopened_state(run: PlannedRun, looks: tuple[SeedLook, ...]) -> tuple[str, str]:
    """Return the state of a run that no look opened, and why: WAITING or NOT_NEEDED."""
    if not looks:
        return WAITING, "for the first look"
    why = end_of(run.variant, looks)
    if why:
        return NOT_NEEDED, why
    if not looks[-1].ended:
        return WAITING, "for the next look"
    return NOT_NEEDED, "no contrast needs it"


def end_of(variant: str, looks: tuple[SeedLook, ...]) -> str:
    """Say why a variant gets no more seeds, as the last look left it; empty while it may get some,
    and for a baseline, which gets what the others need."""
    found = looks[-1].variants.get(variant) if looks else None
    if found is None or (found.state == "open" and not looks[-1].ended):
        return ""
    return ENDS[found.state].format(seeds=found.seeds)


ENDS: Mapping[State, str] = {
    "decided": "decided at {seeds} seeds",
    "futile": "stopped at {seeds} seeds, as it cannot become decided",
    "spent": "undecided at {seeds} seeds, which are all there are",
    "failed": "stopped at {seeds} seeds, as the last ones failed",
    "open": "undecided at {seeds} seeds, when the budget ended the study",
}
"""Why a variant gets no more seeds, by how it stood at the last look."""
