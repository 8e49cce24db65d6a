"""How long runs take beside each other, so that the longest can begin first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tempo.core.records import Plan, PlannedVariant, RunSpec
from tempo.design.estimate import run_cost
from tempo.launch.view import Work
from tempo.records.prices import Price, Prices

Config = Mapping[str, Any]


def works_of(
    plan: Plan,
    prices: Prices | None = None,
    device: str = "cpu",
    weights: Mapping[str, float] | None = None,
) -> list[Work]:
    """The runs of a plan with what they cost.

    By measured price where every variant has one on `device`; else by `weights`, which says by
    variant how much work a clip is; else by the pixels a run trains on. A reference costs nothing.
    """
    cost = variant_costs(plan.variants, prices, device, weights or {})
    config = {each.name: each.config for each in plan.variants}
    return [
        Work(
            run=run,
            spec=RunSpec(run_id=run.run_id, seed=run.seed, config=config[run.variant]),
            cost=cost[run.variant],
        )
        for run in plan.distinct_runs
    ]


def variant_costs(
    variants: Sequence[PlannedVariant],
    prices: Prices | None,
    device: str,
    weights: Mapping[str, float],
) -> dict[str, float]:
    """The cost of a run by variant, in one unit for all of them."""
    trained = [each for each in variants if each.config["method"] == "network"]
    cost = dict.fromkeys((each.name for each in variants), 0.0)
    found = {v.name: prices.get(v.config, device) if prices else None for v in trained}
    priced = {name: price for name, price in found.items() if price is not None}
    timed = {v.name: _seconds(v.config, priced[v.name]) for v in trained if v.name in priced}
    known = {name: time for name, time in timed.items() if time is not None}
    for each in trained:
        if len(known) == len(trained):
            cost[each.name] = known[each.name]
        elif all(v.name in weights for v in trained):
            cost[each.name] = clips_of(each.config) * weights[each.name]
        else:
            cost[each.name] = clips_of(each.config) * float(each.config["recipe"]["crop"]) ** 2
    return cost


def clips_of(config: Config) -> float:
    """Training clips that a run sees; in epochs where nothing tells how long one is."""
    recipe = config["recipe"]
    budget = recipe["budget"]
    if budget.get("steps") is not None:
        return float(budget["steps"] * recipe["batch"])
    if budget.get("clips") is not None:
        return float(budget["clips"])
    return float(budget["epochs"] * (config["data"].get("train_clips") or 1))


def _seconds(config: Config, price: Price) -> float | None:
    """None for a budget in epochs at a price that does not say how long one is."""
    try:
        return run_cost(config, price).seconds
    except ValueError:
        return None
