"""How long runs take beside each other, so that the longest can begin first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tempo.core.records import Plan, PlannedVariant
from tempo.design.run_cost import known_cost
from tempo.launch.scheduling.run_view import Work
from tempo.records.prices import Prices

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
    return [Work(run=run, spec=spec, cost=cost[run.variant]) for run, spec in plan.specs()]


def variant_costs(
    variants: Sequence[PlannedVariant],
    prices: Prices | None,
    device: str,
    weights: Mapping[str, float],
) -> dict[str, float]:
    """The cost of a run by variant, in one unit for all of them."""
    trained = [each for each in variants if each.config["method"] == "network"]
    cost = dict.fromkeys((each.name for each in variants), 0.0)
    known: dict[str, float] = {}
    for each in trained:
        price = prices.get(each.config, device) if prices else None
        found = known_cost(each.config, price) if price else None
        if found is not None:
            known[each.name] = found.seconds
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
