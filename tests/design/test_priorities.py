"""Priorities of variants: by name or pattern, checked, and no part of a run's identity."""

from __future__ import annotations

import pytest

from tempo.core.errors import SpecError
from tempo.design.priorities import priorities
from tempo.launch.scheduling.run_view import run_requests
from tempo.workflow.run_options import RunOptions
from tests.design.conftest import Complaints, PlanOf

GRID = """\
factors:
  lr: {path: recipe.lr, levels: {low: 1e-4, high: 1e-3}}
  warmup: {path: recipe.warmup, levels: {none: 0, long: 9}}
design: [{kind: factorial, factors: [lr, warmup]}]
seeds: 2
"""


def test_a_name_counts_before_patterns_and_the_highest_pattern_before_others(
    plan_of: PlanOf,
) -> None:
    asked = "priority: {'lr=high *': 3, '*warmup=long': 7, 'lr=high warmup=long': -1}\n"
    assert priorities(plan_of(GRID + asked)) == {
        "lr=low warmup=none": 0,
        "lr=low warmup=long": 7,
        "lr=high warmup=none": 3,
        "lr=high warmup=long": -1,
        "average": 0,
        "nearest": 0,
    }


def test_priorities_change_no_run_and_reach_the_requests(plan_of: PlanOf) -> None:
    plain = plan_of(GRID)
    urgent = plan_of(GRID + "priority: {'lr=high *': 3}\n")
    assert plain.runs == urgent.runs
    assert plain.variants == urgent.variants
    found = {each.run.run_id: each.priority for each in run_requests(urgent)}
    chosen = {run.run_id for run in urgent.runs if run.variant.startswith("lr=high ")}
    assert {run_id for run_id, value in found.items() if value == 3} == chosen
    assert {each.priority for each in run_requests(plain)} == {0}


def test_what_is_no_variant_and_no_priority_is_refused(complaints: Complaints) -> None:
    (line,) = complaints(GRID + "priority: {'lr=hihg *': 3}\n")
    assert line.startswith("s.yaml:9:25: unknown variant of priority 'lr=hihg *'")
    assert "lr=high warmup=none" in line
    (line,) = complaints(GRID + "priority: {'lr=high *': 1001}\n")
    assert line.startswith("s.yaml:9:25: ") and "at most 1,000" in line
    (line,) = complaints(GRID + "priority: {'lr=high *': soon}\n")
    assert line.startswith("s.yaml:9:25: ") and "whole number" in line


def test_a_search_has_one_priority(complaints: Complaints) -> None:
    factors = GRID.partition("design")[0]
    search = "search: {space: [lr], budget: {trials: 2}}\npriority: {x: 1}\n"
    lines = complaints(factors + search)
    assert any("give the whole search a priority by `tempo run --priority N`" in each
               for each in lines)  # fmt: skip


@pytest.mark.parametrize("value", [1001, -1001, 1.5, True, "high"])
def test_the_priority_of_an_invocation_is_a_whole_number(value: object) -> None:
    with pytest.raises(SpecError, match="priority is a whole number from -1000 to 1000"):
        RunOptions(priority=value)
