"""Give each variant the step budget that costs equal GPU-hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tempo.core.errors import Place
from tempo.design.configs import Resolved
from tempo.design.factors import Candidate
from tempo.design.run_cost import affordable_steps, run_cost
from tempo.design.study_context import StudyContext
from tempo.records.prices import Price
from tempo.spec.yaml.value_tree import Mapped, nested, written

Variants = Mapping[str, tuple[Candidate, Resolved]]


def equal_hours_configs(
    variants: Variants, control: str, study: StudyContext
) -> dict[str, Resolved]:
    """Return the trained variants' configs with as many steps as cost what `control` costs.

    `control` keeps its own budget. Schedules follow the budget, so each anneals to its end.
    """
    trained = {name: each for name, each in variants.items() if each[1].method == "network"}
    place = study.factors.place("equal")
    prices = _prices(trained, place, study)
    if prices is None or control not in trained:
        return {}
    hours = run_cost(trained[control][1].config, prices[control]).device_hours
    out: dict[str, Resolved] = {}
    told = []
    for name, (candidate, resolved) in trained.items():
        steps = affordable_steps(resolved.config, prices[name], hours)
        if name == control:
            steps = run_cost(resolved.config, prices[name]).steps
        elif steps is None:
            message = f"{hours:.3g} device-hours, as {control!r} has, pay for no step of {name!r}"
            study.problems.add(message, place)
            continue
        else:
            found = study.configs.resolve((*candidate.overlays, _budget(steps, place)))
            out |= {name: found} if found else {}
        told.append(f"{name} {steps:,} steps")
    study.notes.append(
        f"equal device-hours: {hours:.3g} on {prices[control].device}, as {control!r} takes by its "
        f"own budget: {', '.join(told)}"
    )
    return out


def _prices(variants: Variants, place: Place, study: StudyContext) -> dict[str, Price] | None:
    found: dict[str, Price] = {}
    for name, (_, resolved) in variants.items():
        price = study.measured.price(resolved.config)
        if price is not None:
            found[name] = price
    missing = [name for name in variants if name not in found]
    if missing:
        if not study.measured.pricing:
            message = f"`equal: gpu_hours` needs the price of {_listed(missing)}"
            study.problems.add(f"{message}: plan with --price, which measures it", place)
        return None
    devices = {price.device for price in found.values()}
    if len(devices) > 1:
        message = f"prices are of several devices ({', '.join(sorted(devices))})"
        study.problems.add(f"{message}; `equal: gpu_hours` needs them of one: --reprice", place)
        return None
    return found


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _budget(steps: int, place: Place) -> Mapped:
    value: Any = {"steps": steps}
    node = nested(("recipe", "budget"), written(value, place), place)
    assert isinstance(node, Mapped)
    return node
