"""Budgets and learning rates as functions of the step."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tempo.spec.options import parse_slot
from tempo.spec.recipe import SCHEDULES, Recipe
from tempo.train.optim.optimisers import learning_rate
from tempo.train.run.batch_stream import horizon


def rates(kind: str, warmup: int = 10, steps: int = 100, **options: object) -> list[float]:
    chosen = parse_slot(SCHEDULES, {"kind": kind, **options})
    return [learning_rate(chosen, 1e-3, warmup, steps, step) for step in range(steps)]


@pytest.mark.parametrize("kind", list(SCHEDULES))
@given(warmup=st.integers(0, 200), steps=st.integers(1, 150))
def test_rates_stay_between_zero_and_the_peak(kind: str, warmup: int, steps: int) -> None:
    assert all(0 < rate <= 1e-3 * (1 + 1e-12) for rate in rates(kind, warmup, steps))


@pytest.mark.parametrize("kind", ["cosine", "constant", "step"])
def test_warmup_is_linear_and_ends_at_the_peak(kind: str) -> None:
    assert rates(kind)[:10] == pytest.approx([1e-4 * n for n in range(1, 11)])


def test_cosine_agrees_with_torch() -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 90, eta_min=1e-6)
    expected = []
    for _ in range(90):
        expected.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        reference.step()
    assert rates("cosine")[10:] == pytest.approx(expected, rel=1e-9)


def test_step_decay_multiplies_at_its_fractions() -> None:
    values = rates("step", warmup=0, at=[0.5, 0.75], factor=0.1)
    assert (values[49], values[50], values[75]) == pytest.approx((1e-3, 1e-4, 1e-5))


def test_one_cycle_rises_and_falls() -> None:
    values = rates("one_cycle", start=25.0, end=1e4)
    assert values[0] == pytest.approx(4e-5) and max(values) == pytest.approx(values[10])
    assert values[-1] < 2e-6
    assert all(a < b for a, b in pairwise(values[:11]))
    assert all(a > b for a, b in pairwise(values[10:]))


@pytest.mark.parametrize(
    ("budget", "steps"),
    [({"steps": 7}, 7), ({"clips": 33}, 9), ({"epochs": 2.0}, 50), ({"epochs": 0.001}, 1)],
)
def test_every_unit_of_a_budget_becomes_steps(budget: dict[str, float], steps: int) -> None:
    recipe = Recipe.model_validate({"batch": 4, "budget": budget})
    plan = horizon(recipe, 100)
    assert plan.steps == steps
    assert plan.clips(plan.steps) == 4 * steps
    assert plan.epoch(25) == 1.0
