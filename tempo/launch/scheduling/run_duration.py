"""Estimate how long runs take relative to each other, so that the longest can start first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tempo.core.records import Plan, PlannedVariant
from tempo.design.run_cost import known_cost
from tempo.launch.scheduling.run_view import RunRequest
from tempo.records.prices import Prices


def run_requests(
    plan: Plan,
    prices: Prices | None = None,
    device: str = "cpu",
    weights: Mapping[str, float] | None = None,
) -> list[RunRequest]:
    """Return a request for each distinct run of a plan, with its expected cost."""
    cost = variant_costs(plan.variants, prices, device, weights or {})
    return [RunRequest(run=run, spec=spec, cost=cost[run.variant]) for run, spec in plan.specs()]


def variant_costs(
    variants: Sequence[PlannedVariant],
    prices: Prices | None,
    device: str,
    weights: Mapping[str, float],
) -> dict[str, float]:
    """Return the cost of a run of each variant, in one unit for all of them.

    By measured price (seconds) where every variant has one on `device`; else by `weights`, the
    relative work of a clip by variant; else by the pixels that a run trains on. References cost 0.
    """
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
            cost[each.name] = _clips(each.config) * weights[each.name]
        else:
            cost[each.name] = _clips(each.config) * float(each.config["recipe"]["crop"]) ** 2
    return cost


def _clips(config: Mapping[str, Any]) -> float:
    """Return the training clips that a run sees; in epochs where their size is not known."""
    recipe = config["recipe"]
    budget = recipe["budget"]
    if budget.get("steps") is not None:
        return float(budget["steps"] * recipe["batch"])
    if budget.get("clips") is not None:
        return float(budget["clips"])
    return float(budget["epochs"] * (config["data"].get("train_clips") or 1))
