"""Compare a study's limit of GPU-hours with its expected cost by price and its recorded use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tempo.core.errors import MissingError, TempoError
from tempo.core.own_command import own_command
from tempo.core.records import Plan, PlannedRun
from tempo.design.run_cost import known_cost
from tempo.records.layout import Store
from tempo.records.prices import Prices
from tempo.records.run_record import device_hours, gpus_of, read_result
from tempo.records.seed_log import opened_plan

Config = Mapping[str, Any]
PAUSE = 60.0
"""Seconds between two readings of what was spent."""


def expected_hours(
    plan: Plan,
    runs: Iterable[PlannedRun],
    prices: Prices,
    *,
    world: int = 1,
    device: str | None = None,
) -> float:
    """Return the GPU-hours that `runs` cost by price; references are free.

    Args:
        world: GPUs of a run. A price of one GPU stands in for one of several: perfect scaling.
        device: whose price counts; without it the dearest of a config's prices.

    Raises:
        MissingError: for variants without a price; says how to measure one.
    """
    names = [run.variant for run in runs]
    trained = [v for v in plan.variants if v.name in names and v.config["method"] == "network"]
    costs = {v.name: _dearest(v.config, prices, world, device) for v in trained}
    missing = [name for name, cost in costs.items() if cost is None]
    if missing:
        on = f" on {device}" if device else ""
        profile = ("--profile", plan.profile) if plan.profile else ()
        raise MissingError(
            f"budget.gpu_hours needs a price{on} for {', '.join(missing)}: measure it on a machine "
            f"with that GPU by `{own_command('plan', plan.source, *profile, '--price')}`"
        )
    return sum(costs.get(name) or 0.0 for name in names)


def _dearest(config: Config, prices: Prices, world: int, device: str | None) -> float | None:
    """GPU-hours of one run; None without a price."""
    for size in dict.fromkeys((world, 1)):
        known = [p for p in prices.known(config, size) if device in {None, p.device}]
        costs = [cost for price in known if (cost := known_cost(config, price)) is not None]
        if costs:
            return max(cost.device_hours for cost in costs)
    return None


def spent_hours(folders: Iterable[Path]) -> float:
    """Return the GPU-hours that all attempts at these runs have used; a CPU costs none."""
    return sum(
        device_hours(attempt.ended - attempt.started, gpus_of(attempt.environment))
        for folder in folders
        if (folder / "run.json").is_file()
        for attempt in read_result(folder).attempts
    )


def check_budget(limit: float | None, expected: float, spent: float) -> None:
    """Raise a TempoError when what is left of `limit` GPU-hours does not cover what is to come."""
    if limit is not None and expected + spent > limit:
        raise TempoError(
            f"budget.gpu_hours is {limit:g}: {spent:.3g} were spent, and by price the runs to go "
            f"cost {expected:.3g} more; nothing was submitted. Raise it, or ask for fewer runs"
        )


class BudgetWatch:
    """Checks from time to time whether the runs in `folders` have used up `limit` GPU-hours.

    The first call reads the records, later ones once a minute, less often where that takes long: at
    most a hundredth of the time is spent on it.
    """

    def __init__(self, limit: float, folders: Callable[[], Iterable[Path]]) -> None:
        self._limit, self._folders = limit, folders
        self._next = time.monotonic()

    @classmethod
    def of_study(cls, store: Store, study: str, profile: str) -> BudgetWatch | None:
        """Watch all runs of a study's plan, which may grow; None where the plan sets no limit."""
        limit = store.load_plan(study, profile).spec.get("budget", {}).get("gpu_hours")
        if limit is None:
            return None

        def folders() -> Iterable[Path]:
            runs = opened_plan(store, store.load_plan(study, profile)).distinct_runs
            return [store.run_dir(run.run_id) for run in runs]

        return cls(limit, folders)

    def __call__(self) -> str | None:
        """Return the reason why the study has to stop; None while the budget lasts."""
        begun = time.monotonic()
        if begun < self._next:
            return None
        spent = spent_hours(self._folders())
        self._next = begun + max(PAUSE, 100 * (time.monotonic() - begun))
        if spent < self._limit:
            return None
        return f"budget.gpu_hours is {self._limit:g}, and {spent:.3g} GPU-hours were spent"
