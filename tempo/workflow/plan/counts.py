"""Count parameters, MACs and activation memory of a plan's networks (imports torch)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tempo.core.records import Plan
from tempo.spec.study import RunConfig


def count_all(plan: Plan) -> dict[str, dict[str, int]]:
    """What each variant's network weighs: parameters; MACs of a forward pass and bytes kept for
    the backward pass (float32), of one clip at the training crop."""
    from tempo.models.network_cost import Cost, count

    counted: dict[tuple[str, int], Cost] = {}
    out: dict[str, dict[str, int]] = {}
    for name, config in _networks(plan):
        crop = config.recipe.crop
        key = config.arch.model_dump_json(), crop
        if key not in counted:
            counted[key] = count(config.arch, height=crop, width=crop)
        cost = counted[key]
        out[name] = {
            "parameters": cost.parameters,
            "macs": cost.macs,
            "activation_bytes": cost.activation_bytes,
        }
    return out


def describe_networks(plan: Plan) -> dict[str, list[str]]:
    """Each variant's network stage by stage, as lines; equal networks are described once."""
    from tempo.models.network_cost import summarise, text

    described: dict[Any, str] = {}
    out: dict[str, list[str]] = {}
    for name, config in _networks(plan):
        key = (config.arch.model_dump_json(), config.recipe.crop)
        if key in described:
            out[name] = [f"as {described[key]}"]
            continue
        described[key] = name
        crop = config.recipe.crop
        out[name] = text(summarise(config.arch, height=crop, width=crop))
    return out


def _networks(plan: Plan) -> Iterator[tuple[str, RunConfig]]:
    for variant in plan.variants:
        config = RunConfig.model_validate(variant.config)
        if config.method == "network":
            yield variant.name, config
