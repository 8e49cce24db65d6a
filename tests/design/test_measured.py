"""What a plan decides by measurement: equal device-hours, matched widths, greedy ladders."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo.core.errors import SpecError
from tempo.core.records import Plan
from tempo.design.expand import expand
from tempo.design.measurements import NARROWEST, WIDEST, Config, Unmeasured, Width, nearest_width
from tempo.design.run_cost import affordable_steps, elapsed, run_cost, steps_of
from tempo.records.prices import NOT_PRICED, Price, Prices, price_key
from tempo.spec.load import load_study
from tempo.spec.study import RunConfig

PRICE = Price(
    device="cpu",
    world_size=1,
    steps=5,
    step_ms=100.0,
    setup_s=2.0,
    validation_s=1.0,
    evaluation_s=3.0,
    peak_memory=1,
    train_clips=160,
    checkpoint_s=0.5,
    checkpoint_bytes=1000,
)

HEAD = """
study: s
data: procedural
recipe: {batch: 16, warmup: 2, budget: {epochs: 10}}
evaluation: {val_every: 50}
variants:
  V2: {set: {arch: {preset: tempo_v2}}}
  V3: {}
baseline: V2
"""


class Fake(Unmeasured):
    """V3's steps take three times as long as V2's; widths and qualities are given."""

    def __init__(
        self,
        *,
        priced: bool = True,
        width: Width | None = None,
        quality: Mapping[str, float] | None = None,
    ) -> None:
        self.priced, self.found, self.known = priced, width, quality or {}

    def price(self, config: Config) -> Price | None:
        if not self.priced:
            return None
        slow = 3.0 if config["arch"]["block"]["kind"] == "pre_act" else 1.0
        return replace(PRICE, step_ms=100 * slow)

    def width(self, config: Config, target: Config, by: str) -> Width | None:
        return self.found

    def quality(self, run_id: str) -> float | None:
        return self.known.get(run_id)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan_of(text: str, measured: Unmeasured) -> Plan:
    Path("s.yaml").write_text(text)
    return expand(load_study(Path("s.yaml")), measured)


# --- equal device-hours ----------------------------------------------------------------------


def test_each_variant_gets_the_steps_that_the_baselines_hours_pay_for() -> None:
    plan = plan_of(HEAD + "equal: gpu_hours\n", Fake())
    one, other = plan.variant("V2").config, plan.variant("V3").config
    assert one["recipe"]["budget"] == {"steps": None, "epochs": 10.0, "clips": None}
    steps = other["recipe"]["budget"]["steps"]
    assert 25 < steps < 100 / 2
    hours = run_cost(one, Fake().price(one) or PRICE).device_hours
    price = Fake().price(other) or PRICE
    assert run_cost(other, price, steps).device_hours <= hours
    assert run_cost(other, price, steps + 1).device_hours > hours
    assert any("V2 100 steps" in note and f"V3 {steps} steps" in note for note in plan.notes)


def test_without_a_price_the_error_says_how_to_get_one() -> None:
    with pytest.raises(SpecError, match=r"s.yaml:10:8: .*price of 'V2', 'V3': plan with --price"):
        plan_of(HEAD + "equal: gpu_hours\n", Fake(priced=False))


def test_the_found_budget_is_part_of_what_a_run_is() -> None:
    free, equal = plan_of(HEAD, Fake()), plan_of(HEAD + "equal: gpu_hours\n", Fake())
    ids = [{run.variant: run.run_id for run in plan.runs} for plan in (free, equal)]
    assert ids[0]["V2"] == ids[1]["V2"]
    assert ids[0]["V3"] != ids[1]["V3"]


@given(st.floats(1e-3, 1e3), st.integers(1, 1000), st.floats(0.01, 5))
def test_affordable_steps_are_the_most_there_are(ms: float, every: int, hours: float) -> None:
    config = _config({"evaluation": {"val_every": every}})
    price = replace(PRICE, step_ms=ms)
    found = affordable_steps(config, price, hours)
    assert found is not None
    assert run_cost(config, price, found).device_hours <= hours
    assert run_cost(config, price, found + 1).device_hours > hours


def _config(changes: Mapping[str, Any]) -> Config:
    whole = {"data": {"kind": "procedural"}, "recipe": {"budget": {"steps": 100}}}
    return RunConfig.model_validate({**whole, **changes}).model_dump(mode="json")


@pytest.mark.parametrize(
    ("budget", "steps"), [({"steps": 7}, 7), ({"clips": 33}, 3), ({"epochs": 0.5}, 5)]
)
def test_steps_of_a_budget(budget: dict[str, Any], steps: int) -> None:
    config = _config({"recipe": {"batch": 16, "budget": budget}})
    assert steps_of(config, 160) == steps


def test_what_a_run_costs_adds_up() -> None:
    config = _config({"evaluation": {"val_every": 40}, "runtime": {"checkpoint_every": 60}})
    cost = run_cost(config, PRICE)
    # Validated after 40, 80 and 100 steps, saved then and after 60.
    assert cost.seconds == pytest.approx(2 + 100 * 0.1 + 3 * 1 + 4 * 0.5 + 3)
    assert cost.device_hours == pytest.approx(cost.seconds / 3600)
    assert run_cost(config, replace(PRICE, world_size=4)).device_hours == pytest.approx(
        4 * cost.seconds / 3600
    )


@given(st.lists(st.floats(0, 100), max_size=12), st.integers(1, 5))
def test_elapsed_is_bounded_as_list_schedules_are(seconds: list[float], slots: int) -> None:
    found = elapsed(seconds, slots)
    least = max(sum(seconds) / slots, max(seconds, default=0.0))
    assert least - 1e-6 <= found <= (4 / 3) * least + max(seconds, default=0.0) + 1e-6


# --- matched widths --------------------------------------------------------------------------

MATCH = HEAD + "design: [list, {kind: list, variants: [V3], match: parameters}]\n"


def test_a_found_width_is_part_of_the_name_the_levels_and_the_config() -> None:
    plan = plan_of(MATCH, Fake(width=Width(base_channels=40, cost=1.01e6, wanted=1e6)))
    variant = plan.variant("V3 base_channels=40")
    assert variant.levels == {"base_channels": "40"}
    assert variant.config["arch"]["base_channels"] == 40
    assert plan.notes == (
        "'V3' has base_channels 40 to match the parameters of 'V2': 1.01 M against 1 M (+1.0%)",
    )


def test_nothing_within_two_percent_is_an_error_that_states_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"within 2%: the nearest, base_channels 40, .*\(\+3.0%\)"):
        plan_of(MATCH, Fake(width=Width(base_channels=40, cost=1.03e6, wanted=1e6)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MATCH, "needs the networks to be counted"),
        (MATCH.replace("parameters", "step_time"), "needs prices of 'V3' and 'V2': plan with --pr"),
        (MATCH.replace("baseline: V2", ""), "`match` needs `match_to`, or a baseline"),
        (MATCH.replace("parameters", "parameters, match_to: V9"), "unknown variant or preset 'V9'"),
    ],
)
def test_what_cannot_be_matched(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        plan_of(text, Unmeasured())


def test_what_it_is_matched_to_stays_as_it_is() -> None:
    text = HEAD + "design: [{kind: list, match: macs}]\n"
    plan = plan_of(text, Fake(width=Width(base_channels=40, cost=1.0, wanted=1.0)))
    assert [v.name for v in plan.variants][:2] == ["V2", "V3 base_channels=40"]


@given(st.integers(NARROWEST, WIDEST), st.floats(1.0, 3.0))
def test_the_nearest_width_of_a_rising_cost_is_found(width: int, power: float) -> None:
    def cost(at: int) -> float:
        return 7 + float(at) ** power

    asked: list[int] = []
    found = nearest_width(lambda at: asked.append(at) or cost(at), cost(width))  # type: ignore[func-returns-value]
    assert found.base_channels == width
    assert len(asked) == len(set(asked)) <= 12
    between = nearest_width(cost, cost(width) * 1.0001)
    assert abs(between.base_channels - width) <= 1


# --- the greedy ladder -----------------------------------------------------------------------

PARTS = {"net": 0.3, "cond": 0.5, "size": 0.1}
GREEDY = HEAD + (
    "design: [{kind: ladder, start: V2, end: V3, order: greedy, parts: {net: [arch.block, "
    "arch.activation, arch.decoder, arch.head], cond: [arch.conditioning, arch.residual_group], "
    "size: [arch.blocks, arch.dilations, arch.se]}}]\nseeds: 2\n"
)


def _measured(plan: Plan) -> dict[str, float]:
    """What every planned run would reach, were the parts' gains additive."""
    return {
        run.run_id: 30
        + sum(gain for part, gain in PARTS.items() if part in run.variant)
        + (sum(PARTS.values()) if run.variant == "V3" else 0)
        + 0.01 * (run.seed or 0)
        for run in plan.runs
    }


def test_each_rung_is_planned_once_the_one_before_is_measured() -> None:
    known: dict[str, float] = {}
    rungs = []
    for _ in range(4):
        plan = plan_of(GREEDY, Fake(quality=known))
        rungs.append([v.name for v in plan.variants if v.role != "reference"])
        known |= _measured(plan)
    assert set(rungs[0]) == {"V2", "V3", "V2 + net", "V2 + cond", "V2 + size"}
    assert set(rungs[1]) - set(rungs[0]) == {"V2 + cond + net", "V2 + cond + size"}
    assert rungs[2] == rungs[1] == rungs[3]
    assert plan.notes == ("greedy ladder from V2 to V3: cond (+0.500 dB), net (+0.300 dB), size",)


def test_a_rung_waits_for_every_seed() -> None:
    plan = plan_of(GREEDY, Fake())
    known = {run.run_id: 30.0 for run in plan.runs if run.seed == 0}
    again = plan_of(GREEDY, Fake(quality=known))
    assert again.runs == plan.runs
    assert "rung 1 of 3 is planned" in again.notes[0]


# --- prices ----------------------------------------------------------------------------------


def test_what_leaves_the_cost_of_a_step_alone_is_not_in_its_key() -> None:
    known = _config({})
    for section, names in NOT_PRICED.items():
        for name in names:
            assert name in known[section], f"{section}.{name} is no field any more"
            assert price_key(_changed(known, section, name)) == price_key(known)


def test_every_other_field_is() -> None:
    known = _config({})
    for section in ("arch", "data", "recipe", "evaluation", "runtime"):
        for name in known[section]:
            if name not in NOT_PRICED.get(section, ()):
                assert price_key(_changed(known, section, name)) != price_key(known), name


def _changed(config: Config, section: str, name: str) -> Config:
    other = json.loads(json.dumps(config))
    other[section][name] = "something else"
    return other


def test_prices_are_kept_by_device_and_processes(tmp_path: Path) -> None:
    prices, config = Prices(tmp_path), _config({})
    for number, (device, world) in enumerate(itertools.product(("cpu", "NVIDIA H100"), (1, 2))):
        prices.save(config, replace(PRICE, device=device, world_size=world, measured=float(number)))
    assert prices.get(config, "cpu") == replace(PRICE, measured=0.0)
    found = prices.get(config, "NVIDIA H100", 2)
    assert found is not None and found.world_size == 2
    assert [each.device for each in prices.known(config)] == ["NVIDIA H100", "cpu"]
    assert [each.device for each in prices.known(config, 2)] == ["NVIDIA H100", "cpu"]
    on_cpu = {**config, "runtime": {**config["runtime"], "device": "cpu"}}
    assert [each.device for each in prices.known(on_cpu)] == ["cpu"]
