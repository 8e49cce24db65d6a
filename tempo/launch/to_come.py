"""Say what may follow the runs that are known: later seeds of a study, further trials of a search.

Both are upper bounds: contrasts can be decided before their last seeds, and trials pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tempo.core.records import Plan
from tempo.records.seed_log import WAITING, SeedLook, opened_runs, unopened_state


@dataclass(frozen=True, slots=True, kw_only=True)
class ToCome:
    """At most how many runs may follow, and in words how far the whole is: `trial 5 of 16`."""

    runs: int = 0
    stage: str = ""


NOTHING = ToCome()
"""Of a study whose runs are all known."""


def seeds_to_come(plan: Plan, looks: tuple[SeedLook, ...]) -> ToCome:
    """Return what later looks at a study with adaptive seeds may add."""
    if plan.stages is None:
        return NOTHING
    opened = opened_runs(plan, looks)
    ids = {run.run_id for run in opened}
    waiting = [
        run
        for run in plan.distinct_runs
        if run.run_id not in ids and unopened_state(run, looks)[0] == WAITING
    ]
    seeds = len({run.seed for run in opened} - {None})
    return ToCome(runs=len(waiting), stage=f"{seeds} of at most {plan.stages.last} seeds")


def trials_to_come(search: Mapping[str, Any], begun: int, seeds: int) -> ToCome:
    """Return what a search may still carry out, by its section of the spec as JSON.

    `begun` trials have begun; each has `seeds` runs. A search that only hours limit has no number
    of trials.
    """
    most = search["budget"]["trials"]
    if most is None:
        return ToCome(stage=f"trial {begun}") if begun else NOTHING
    confirmed = search["top"] + len(search["enqueue"])
    left = max(most - begun, 0)
    runs = left * seeds + search["confirm"] * confirmed
    return ToCome(runs=runs, stage=f"trial {min(begun, most)} of {most}")


def to_come(plan: Plan, looks: tuple[SeedLook, ...]) -> ToCome:
    """Return what may follow the runs of a plan, as records alone tell."""
    search = plan.spec.get("search")
    if search is None:
        return seeds_to_come(plan, looks)
    asked = plan.spec["seeds"]
    seeds = set(range(asked) if isinstance(asked, int) else asked)
    trials = {run.variant for run in plan.runs if run.seed in seeds}
    found = trials_to_come(search, len(trials), len(seeds))
    # Fresh seeds are given out when the trials are over.
    if any(run.seed is not None and run.seed not in seeds for run in plan.runs):
        return ToCome(stage=f"fresh seeds, after {found.stage}")
    return found
