"""Budgets of several stages: what a plan holds equal, counts and prices."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tempo.core.errors import SpecError
from tempo.design.run_cost import budget_in, run_cost, steps_of
from tempo.launch.scheduling.run_view import variant_costs
from tempo.records.prices import price_key
from tempo.spec.study import RunConfig

from .conftest import PlanOf
from .test_measured import PRICE, Fake

STAGED = """
variants:
  whole: {set: {recipe.budget: {steps: 10}}}
  parts: {set: {recipe: {budget: {steps: 6}, stages: [{budget: {steps: 4}, crop: 128}]}}}
"""


def test_stages_together_are_held_equal(plan_of: PlanOf) -> None:
    assert len(plan_of(STAGED + "equal: steps\n").variants) == 4
    with pytest.raises(SpecError, match="'parts' has 6 steps and 5 steps"):
        plan_of(STAGED.replace("steps: 4}", "steps: 5}") + "equal: steps\n")
    with pytest.raises(SpecError, match="'parts' has 6 steps and 4 clips"):
        plan_of(STAGED.replace("{steps: 4}", "{clips: 4}") + "equal: steps\n")


def test_equal_hours_change_the_first_stage(plan_of: PlanOf) -> None:
    text = STAGED + "baseline: whole\nequal: gpu_hours\n"
    plan = plan_of(text, measured=Fake())
    recipe = plan.variant("parts").config["recipe"]
    assert recipe["stages"][0]["budget"]["steps"] == 4
    # The validation (1 s) and the checkpoint (0.5 s) at the border take the time of 5 steps.
    assert budget_in(recipe, "steps") == 5
    with pytest.raises(SpecError, match="'parts' has 400 steps in its later stages, of"):
        plan_of(text.replace("{steps: 4}", "{steps: 400}"), measured=Fake())


def config(**recipe: object) -> dict[str, object]:
    made = RunConfig.model_validate({"data": {"kind": "procedural"}, "recipe": recipe})
    return made.model_dump(mode="json")


def test_steps_and_validations_of_all_stages_are_priced() -> None:
    stages = [{"budget": {"epochs": 2}}, {"budget": {"clips": 33}}]
    given = config(batch=16, budget={"steps": 7}, stages=stages)
    assert steps_of(given, 160, (40, 160)) == 7 + 5 + 3
    with pytest.raises(ValueError, match="size of the training split"):
        steps_of(given, 160)
    price = replace(PRICE, stage_clips=(40, 160))
    alone = config(batch=16, budget={"steps": 15})
    more = run_cost(given, price).seconds - run_cost(alone, PRICE).seconds
    assert more == pytest.approx(2 * (PRICE.validation_s + PRICE.checkpoint_s))


def test_prices_from_before_there_were_stages_hold() -> None:
    now = config(budget={"steps": 7})
    recipe = dict(now["recipe"].items())  # type: ignore[attr-defined]
    for name in ("stages", "freeze", "init"):
        recipe.pop(name)
    before = {**now, "recipe": recipe}
    assert price_key(now) == price_key(before)
    assert price_key(config(budget={"steps": 7}, freeze=["encoder"])) != price_key(now)


def test_expected_work_counts_every_stage(plan_of: PlanOf) -> None:
    variants = [each for each in plan_of(STAGED).variants if each.role != "reference"]
    cost = variant_costs(variants, None, "cpu", {})
    assert cost["parts"] / cost["whole"] == pytest.approx((6 * 256**2 + 4 * 128**2) / (10 * 256**2))
    weighed = variant_costs(variants, None, "cpu", {"whole": 3.0, "parts": 3.0})
    assert weighed["parts"] / weighed["whole"] == pytest.approx(cost["parts"] / cost["whole"])


def test_prices_from_before_data_followed_the_budget_hold() -> None:
    parts = [{"data": {"kind": "procedural"}}, {"data": "x4k1000fps"}]
    made = {"data": {"kind": "mixture", "parts": parts}, "recipe": {"budget": {"steps": 1}}}
    now = RunConfig.model_validate(made).model_dump(mode="json")
    before = json.loads(json.dumps(now))
    for part in before["data"]["parts"]:
        del part["final"]
        part["data"].pop("progressive_motion", None)
        part["data"].pop("progressive_spacing", None)
    assert before != now and price_key(before) == price_key(now)
    alone = {**now, "data": now["data"]["parts"][0]["data"]}
    old = {**before, "data": before["data"]["parts"][0]["data"]}
    assert price_key(alone) == price_key(old)
    parts[1] = {"data": "x4k1000fps", "final": 2.0}
    moving = RunConfig.model_validate(made).model_dump(mode="json")
    assert price_key(moving) != price_key(now)
    parts[1] = {"data": "x4k1000fps", "final": 0.0}
    fading = RunConfig.model_validate(made).model_dump(mode="json")
    assert price_key(fading) != price_key(now)
    apart = {"kind": "separate", "train": made["data"], "test": "procedural"}
    split = {**now, "data": {**apart, "train": now["data"], "test": alone["data"]}}
    assert price_key(split) == price_key({**split, "data": {**split["data"], "test": old["data"]}})
