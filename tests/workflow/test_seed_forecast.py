"""What a plan forecasts of its seeds, its runs and its chance to decide."""

import pytest

from tempo.core.records import Plan, PlannedRun, PlannedVariant
from tempo.core.seed_stages import SeedStages
from tempo.workflow.plan.seed_forecast import PlanForecast, forecast_plan
from tempo.workflow.plan.seed_noise import SeedNoise

NOISE = SeedNoise(sd=0.05, df=20, studies=("earlier",), paired=True)


def plan_of(variants: int, seeds: object, **verdict: object) -> Plan:
    """Return a plan of trained variants, the first of which is the baseline."""
    names = [f"v{index}" for index in range(variants)]
    stages = SeedStages.of(seeds)
    count = range(stages.last if stages else int(str(seeds)))
    spec = {"seeds": seeds if stages else list(count), "verdict": verdict}
    return Plan(
        study="planned",
        question="",
        profile=None,
        source="planned.yaml",
        spec=spec,
        spec_hash="",
        baseline="v0",
        variants=tuple(
            PlannedVariant(
                name=n, role="baseline" if n == "v0" else "variant", levels={}, config={}
            )
            for n in names
        ),
        runs=tuple(
            PlannedRun(run_id=f"{n}-{seed}", variant=n, seed=seed) for seed in count for n in names
        ),
    )


ADAPTIVE = {"from": 3, "to": 10, "by": 1, "until": "decided"}


def forecast(plan: Plan) -> PlanForecast:
    found = forecast_plan(plan, NOISE)
    assert found is not None
    return found


def test_adaptive_seeds_are_forecast_with_what_they_cost_at_most() -> None:
    found = forecast(plan_of(4, ADAPTIVE))
    assert [each.difference for each in found.rows] == [0.0, 0.05, 0.1, 0.2]
    assert found.most_runs == 40
    assert all(3 <= each.seeds <= 10 and 0.3 <= each.share <= 1 for each in found.rows)
    none, small, _, large = found.rows
    assert large.different > 0.95
    assert large.seeds < small.seeds
    # Of no effect at most one study in twenty calls some: of single contrasts less than that.
    assert none.different < 0.05
    assert none.share < 1


def test_a_fixed_number_of_seeds_is_forecast_with_all_of_them() -> None:
    found = forecast(plan_of(3, 5))
    assert {each.seeds for each in found.rows} == {5.0}
    assert {each.share for each in found.rows} == {1.0}
    table = found.table(device_hours=30.0)
    assert table["device_hours"].tolist() == [30.0] * 4
    assert (table["decided"] == table["different"] + table["equivalent"]).all()


def test_the_rule_sets_differences_and_error_rate() -> None:
    strict = forecast(plan_of(3, ADAPTIVE, alpha=0.001, delta=0.1))
    loose = forecast(plan_of(3, ADAPTIVE, alpha=0.2, delta=0.1))
    assert [each.difference for each in strict.rows] == [0.0, 0.1, 0.2, 0.4]
    assert strict.rows[1].different < loose.rows[1].different


@pytest.mark.parametrize("plan", [plan_of(1, 5), plan_of(3, 2), plan_of(3, 5, metric="ssim")])
def test_there_is_no_forecast_where_nothing_can_be_decided_or_the_noise_is_not_known(
    plan: Plan,
) -> None:
    assert forecast_plan(plan, NOISE) is None
    assert forecast_plan(plan_of(3, 5), None) is None
