"""Estimate what a run will cost, from its config and the measured price of its steps."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tempo.records.prices import Price
from tempo.records.run_record import device_hours
from tempo.spec.data import recorded_data

NEWEST = 2
"""Newest checkpoints that a run keeps beside those that its evaluation needs."""

MOST_STEPS = 1 << 62
"""More steps than any run can pay for."""

VALIDATION_PICTURES = 4
"""Pictures kept at every validation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """One run alone on its devices. `device_hours` counts each of its devices; `disk` is in bytes,
    at most: its checkpoints, and its pictures as if they did not compress."""

    steps: int
    seconds: float
    device_hours: float
    disk: int | None


def budgets_of(recipe: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the budgets of all stages of a recipe as JSON values.

    Plans and runs from before there were stages say nothing of them.
    """
    return [recipe["budget"], *(stage["budget"] for stage in recipe.get("stages", ()))]


def budget_in(recipe: Mapping[str, Any], unit: str) -> float | None:
    """Return the budget of all stages together in a unit; None where one is given in another."""
    amounts = [budget.get(unit) for budget in budgets_of(recipe)]
    known = [each for each in amounts if each is not None]
    return sum(known) if len(known) == len(amounts) else None


def steps_of(
    config: Mapping[str, Any], train_clips: int | None, stage_clips: Sequence[int | None] = ()
) -> int:
    """Return a run's optimiser steps in all stages; a partial last batch counts as a whole one.

    `train_clips` is the size of the training split, `stage_clips` that of each later stage.

    Raises:
        ValueError: for a budget in epochs where the size of the training split is unknown.
    """
    return sum(stage_steps(config, train_clips, stage_clips))


def stage_steps(
    config: Mapping[str, Any], train_clips: int | None, stage_clips: Sequence[int | None] = ()
) -> list[int]:
    """Return the optimiser steps of each stage; errors as of `steps_of`."""
    recipe = config["recipe"]
    budgets = budgets_of(recipe)
    clips = [train_clips, *(stage_clips or [None] * (len(budgets) - 1))]
    return [_steps(*each, recipe["batch"]) for each in zip(budgets, clips, strict=True)]


def _steps(budget: Mapping[str, Any], train_clips: int | None, batch: int) -> int:
    if budget["steps"] is not None:
        return int(budget["steps"])
    if budget["clips"] is not None:
        return max(1, math.ceil(int(budget["clips"]) / int(batch)))
    if train_clips is None:
        raise ValueError("the size of the training split is unknown")
    return max(1, math.ceil(round(float(budget["epochs"]) * train_clips / int(batch), 9)))


def run_cost(config: Mapping[str, Any], price: Price, steps: int | None = None) -> RunCost:
    """Return what a run costs at a price; `steps`, if given, replaces its own budget."""
    if config["method"] != "network":
        seconds = price.setup_s + price.evaluation_s
        disk = _pictures(config, validations=0)
        return RunCost(steps=0, seconds=seconds, device_hours=device_hours(seconds), disk=disk)
    if steps is None:
        steps = steps_of(config, price.train_clips, price.stage_clips)
    validations, checkpoints = _times(config, steps)
    seconds = (
        price.setup_s
        + steps * price.step_ms / 1e3
        + validations * price.validation_s
        + checkpoints * price.checkpoint_s
        + price.evaluation_s
    )
    return RunCost(
        steps=steps,
        seconds=seconds,
        device_hours=device_hours(seconds, price.world_size),
        disk=_disk(config, price, validations),
    )


def known_cost(config: Mapping[str, Any], price: Price) -> RunCost | None:
    """Return what a run costs; None for epochs whose length the price does not give."""
    try:
        return run_cost(config, price)
    except ValueError:
        return None


def _times(config: Mapping[str, Any], steps: int) -> tuple[int, int]:
    """Return a run's number of validations, counting one more at each border of stages, and of
    checkpoints (each validation saves one)."""
    val, save = config["evaluation"]["val_every"], config["runtime"]["checkpoint_every"]
    borders = len(config["recipe"].get("stages", ()))
    validations = math.ceil(steps / val) + borders
    between = steps // save - steps // math.lcm(val, save)
    return validations, validations + between


def affordable_steps(config: Mapping[str, Any], price: Price, hours: float) -> int | None:
    """Return the most steps that fit into `hours` of devices; None if not even one fits."""

    def hours_of(steps: int) -> float:
        return run_cost(config, price, steps).device_hours

    return bisect_right(range(1, MOST_STEPS), hours, key=hours_of) or None


def _disk(config: Mapping[str, Any], price: Price, validations: int) -> int | None:
    if price.checkpoint_bytes is None:
        return None
    evaluation = config["evaluation"]
    needed = {"best": 1, "last": 0}.get(str(evaluation["select"]), int(evaluation["over"]))
    pictures = _pictures(config, validations)
    return (NEWEST + needed) * price.checkpoint_bytes + (pictures or 0)


def _pictures(config: Mapping[str, Any], validations: int) -> int | None:
    """Return the bytes of the gallery (two inputs, target, prediction) and validation samples."""
    size = recorded_data(config["data"], "test").get("size") or (config["recipe"]["crop"],) * 2
    kept = 4 * config["evaluation"]["gallery"] + VALIDATION_PICTURES * (validations + 3)
    return int(kept * 3 * size[0] * size[1])


def elapsed(seconds: Iterable[float], slots: int) -> float:
    """Return the seconds until all runs end on `slots` slots, longest first (Graham 1969)."""
    ends = [0.0] * max(slots, 1)
    for each in sorted(seconds, reverse=True):
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)
