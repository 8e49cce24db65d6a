"""What a plan says of adaptive seeds before and after they are carried out, and what they cost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import tempo
from tempo.core.errors import MissingError, TempoError
from tempo.core.records import Plan
from tempo.records.prices import Price, Prices
from tempo.records.seed_log import SeedLook, VariantLook, append_look, looking
from tempo.workflow.execution.launch_setup import LaunchSetup, launch_lines
from tempo.workflow.plan.bill import Bill
from tempo.workflow.plan.study_plan import measurements_for, study_plan
from tempo.workflow.study import Study
from tests.cli.conftest import TINY

SPEC = TINY.replace("seeds: 2", "seeds: {from: 3, to: 5}").replace("device: cpu", "device: cuda")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two variants and two references: 3 to 5 seeds, 8 to 12 runs."""
    (tmp_path / "tiny.yaml").write_text(SPEC)
    return tempo.load_study(tmp_path / "tiny.yaml", records=tmp_path / "records", mlflow="off")


def price_all(study: Study, hours: float) -> None:
    """Give every variant a price of `hours` a run; a reference takes no time."""
    prices = Prices(study.options.store.root)
    for variant in study.expanded.variants:
        trained = variant.role != "reference"
        price = Price(
            device="H200",
            world_size=1,
            steps=60 if trained else 0,
            step_ms=0.0,
            peak_memory=1,
            setup_s=3600 * hours if trained else 0.0,
            validation_s=0.0,
            evaluation_s=0.0,
        )
        prices.save(variant.config, price)


def opened(plan: Plan, *titles: str) -> tuple[str, ...]:
    return tuple(run.run_id for run in plan.runs if run.title in titles)


def look_at(study: Study, look: SeedLook) -> None:
    with looking(study.options.store, study.expanded):
        append_look(study.options.store, study.expanded, look)


def test_a_plan_holds_every_run_that_may_happen(study: Study) -> None:
    plan = study.plan()
    assert len(plan.plan.runs) == 12
    assert plan.plan.spec["seeds"] == {"from": 3, "to": 5, "by": 1, "until": "decided"}
    assert "3 to 5 seeds a variant, 8 to 12 runs with references" in str(plan)
    states = plan.table().set_index(["variant", "seed"])["state"]
    assert states["se=on", 2] == "planned"
    assert states["se=on", 3] == "waiting: for the first look"
    assert Plan.from_json(json.loads(json.dumps(plan.plan.to_json()))) == plan.plan


def test_a_plan_follows_the_looks(study: Study) -> None:
    going = SeedLook(
        seeds=3,
        variants={"se=off": VariantLook(state="open", seeds=3, words=("inconclusive",))},
        runs=opened(study.expanded, "se=on s3", "se=off s3"),
        sentence="Look at 3.",
    )
    look_at(study, going)
    states = study.plan().table().set_index(["variant", "seed"])["state"]
    assert states["se=off", 3] == "planned"
    assert states["se=off", 4] == "waiting: for the next look"
    decided = {"se=off": VariantLook(state="decided", seeds=4, words=("worse",))}
    look_at(study, SeedLook(seeds=4, variants=decided, ended="settled", sentence="Look at 4."))
    plan = study.plan()
    states = plan.table().set_index(["variant", "seed"])["state"]
    assert states["se=off", 4] == "not needed: decided at 4 seeds"
    assert states["se=on", 4] == "not needed: no contrast needs it"
    told = json.loads(plan.json_text())["adaptive_seeds"]
    assert (told["first_runs"], told["opened_runs"], told["most_runs"]) == (8, 10, 12)
    assert told["looks"] == ["Look at 3.", "Look at 4."]


def test_prices_are_of_the_next_look_and_of_all_seeds(study: Study) -> None:
    price_all(study, hours=1.0)
    bill = Bill.of(study.expanded, measurements_for(study.loaded, study.options), 1, {})
    plan = study_plan(study.expanded, study.options, bill=bill)
    assert {name: each.runs for name, each in plan.sums().items()} == {"total": 12, "next_look": 8}
    assert plan.device_hours() == pytest.approx(10.0)
    told = json.loads(plan.json_text())
    assert told["next_look"]["device_hours"] == pytest.approx(6.0)
    decided = {"se=off": VariantLook(state="decided", seeds=3, words=("worse",))}
    look_at(study, SeedLook(seeds=3, variants=decided, ended="settled"))
    plan = study_plan(study.expanded, study.options, bill=bill)
    assert plan.sums()["total"] == plan.sums()["next_look"]


def test_only_opened_runs_are_launched(study: Study) -> None:
    lines = list(launch_lines(study.expanded, study.options))
    assert sum(line.startswith("# ") for line in lines) == 8
    assert len(LaunchSetup.of(study.expanded, study.options).left_to_do()) == 8


def test_the_budget_pays_stage_by_stage(study: Study) -> None:
    plan = replace(study.expanded, spec={**study.expanded.spec, "budget": {"gpu_hours": 7.0}})
    setup = LaunchSetup.of(plan, study.options)
    first = [run for run, _ in setup.left_to_do()]
    rest = [run for run in plan.distinct_runs if run not in first]
    with pytest.raises(MissingError, match="needs a price"):
        setup.guard_budget(first)
    price_all(study, hours=1.0)
    setup.guard_budget(first)
    assert setup.affords(rest[:2]) and setup.affords([])
    price_all(study, hours=4.0)
    assert not setup.affords(rest[:2])
    with pytest.raises(TempoError, match=r"budget.gpu_hours is 7"):
        setup.guard_budget(first)
