"""What may follow the runs that are known: later seeds, further trials, fresh seeds."""

from dataclasses import replace
from typing import Any

import pytest

from tempo.core.records import Plan, PlannedRun, PlannedVariant
from tempo.launch.to_come import NOTHING, ToCome, to_come
from tempo.records.seed_log import SeedLook, VariantLook

CONFIG = {"method": "network"}


def plan_of(spec: dict[str, Any], seeds: dict[str, list[int | None]]) -> Plan:
    return Plan(
        study="s",
        question="",
        profile=None,
        source="s.yaml",
        spec=spec,
        spec_hash="",
        baseline="a",
        variants=tuple(
            PlannedVariant(name=name, role="variant", levels={}, config=CONFIG) for name in seeds
        ),
        runs=tuple(
            PlannedRun(run_id=f"{name}{seed}", variant=name, seed=seed)
            for name, some in seeds.items()
            for seed in some
        ),
    )


def test_of_a_plain_study_everything_is_known() -> None:
    assert to_come(plan_of({"seeds": [0, 1]}, {"a": [0, 1]}), ()) == NOTHING


ADAPTIVE = plan_of(
    {"seeds": {"from": 3, "to": 6, "by": 1}},
    {"a": [*range(6)], "b": [*range(6)], "average": [None]},
)


def test_seeds_that_later_looks_may_open() -> None:
    assert to_come(ADAPTIVE, ()) == ToCome(runs=6, stage="3 of at most 6 seeds")
    opened = SeedLook(
        seeds=3, variants={"b": VariantLook(state="open", seeds=3)}, runs=("a3", "b3")
    )
    assert to_come(ADAPTIVE, (opened,)) == ToCome(runs=4, stage="4 of at most 6 seeds")
    over = replace(
        opened, variants={"b": VariantLook(state="decided", seeds=3)}, runs=(), ended="settled"
    )
    assert to_come(ADAPTIVE, (over,)).runs == 0


SEARCH = {"budget": {"trials": 16}, "top": 2, "confirm": 3, "enqueue": ["V2"]}


@pytest.mark.parametrize(
    ("seeds", "trials", "found"),
    [
        ([0], 5, ToCome(runs=11 + 9, stage="trial 5 of 16")),
        ([0, 1], 16, ToCome(runs=9, stage="trial 16 of 16")),
        ([0], 0, ToCome(runs=16 + 9, stage="trial 0 of 16")),
    ],
)
def test_trials_that_the_budget_leaves_and_their_confirmation(
    seeds: list[int], trials: int, found: ToCome
) -> None:
    runs = {f"trial-{n:03}": [*seeds] for n in range(trials)}
    assert to_come(plan_of({"search": SEARCH, "seeds": seeds}, runs), ()) == found


def test_once_the_best_are_confirmed_all_runs_are_known() -> None:
    runs = {"trial-000": [0], "trial-001": [0], "trial-001 confirmed": [1000, 1001]}
    found = to_come(plan_of({"search": SEARCH, "seeds": [0]}, runs), ())
    assert found == ToCome(stage="fresh seeds, after trial 2 of 16")


def test_a_search_that_only_hours_limit_has_no_last_trial() -> None:
    search = SEARCH | {"budget": {"trials": None, "hours": 3}}
    found = to_come(plan_of({"search": search, "seeds": [0]}, {"trial-000": [0]}), ())
    assert found == ToCome(stage="trial 1")
