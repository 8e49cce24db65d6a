"""Variants that start from weights: which runs those are, in which order, under which ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo.core.errors import SpecError
from tempo.core.records import Parent, Plan
from tempo.design.measurements import Unmeasured

from .conftest import PlanOf

THREE = """
variants:
  last: {set: {recipe: {init: {from: middle}}}}
  middle: {set: {recipe: {init: {from: first}, freeze: [encoder]}}}
  first: {}
seeds: [0, 7]
"""


def ids(plan: Plan) -> dict[tuple[str, int | None], str]:
    return {(run.variant, run.seed): run.run_id for run in plan.runs}


def test_each_seed_starts_from_the_same_seed_of_its_parent(plan_of: PlanOf) -> None:
    plan = plan_of(THREE)
    found = ids(plan)
    parents = {(run.variant, run.seed): run.parents for run in plan.runs if run.parents}
    assert parents == {
        (child, seed): (Parent(source=parent, run_id=found[parent, seed]),)
        for child, parent in (("last", "middle"), ("middle", "first"))
        for seed in (0, 7)
    }


def test_runs_follow_their_parents_replicate_by_replicate(plan_of: PlanOf) -> None:
    runs = [(run.variant, run.seed) for run in plan_of(THREE).runs if run.seed is not None]
    names = ("first", "middle", "last")
    assert runs == [(name, seed) for seed in (0, 7) for name in names]


def test_variants_keep_the_order_of_the_design_in_the_table(plan_of: PlanOf) -> None:
    assert [each.name for each in plan_of(THREE).variants][:3] == ["last", "middle", "first"]


def test_the_parents_identity_is_part_of_the_childs(plan_of: PlanOf) -> None:
    before = ids(plan_of(THREE))
    longer = ids(plan_of(THREE.replace("first: {}", "first: {set: {recipe.lr: 1e-3}}")))
    assert all(before[name, 0] != longer[name, 0] for name in ("first", "middle", "last"))


def test_another_name_of_the_parent_changes_no_id(plan_of: PlanOf) -> None:
    renamed = ids(plan_of(THREE.replace("first", "origin")))
    before = ids(plan_of(THREE))
    assert renamed["last", 7] == before["last", 7]
    assert renamed["origin", 7] == before["first", 7]


def test_strictness_changes_no_id_and_parts_do(plan_of: PlanOf) -> None:
    before = ids(plan_of(THREE))["middle", 0]
    loose = THREE.replace("from: first", "from: first, strict: false")
    parts = THREE.replace("from: first", "from: first, only: [encoder]")
    assert ids(plan_of(loose))["middle", 0] == before
    assert ids(plan_of(parts))["middle", 0] != before
    assert ids(plan_of(THREE.replace(", freeze: [encoder]", "")))["middle", 0] != before


def test_runs_without_parents_have_the_ids_they_always_had(plan_of: PlanOf) -> None:
    assert ids(plan_of(THREE))["first", 0] == ids(plan_of("variants: {only: {}}\n"))["only", 0]


def test_a_plan_keeps_its_parents_through_json(plan_of: PlanOf) -> None:
    plan = plan_of(THREE)
    value = plan.to_json()
    assert Plan.from_json(value) == plan
    assert "parents" not in next(each for each in value["runs"] if each["variant"] == "first")


def test_a_duplicate_stands_for_the_variant_that_was_kept(plan_of: PlanOf) -> None:
    plan = plan_of(
        "variants:\n  a: {}\n  same: {}\n  child: {set: {recipe: {init: {from: same}}}}\n"
    )
    found = ids(plan)
    assert {run.variant: run.parents for run in plan.runs}["child"] == (
        Parent(source="same", run_id=found["a", 0]),
    )


def test_a_file_counts_by_its_content(plan_of: PlanOf, tmp_path: Path) -> None:
    text = "variants: {child: {set: {recipe: {init: {from: weights.pt}}}}}\n"
    (tmp_path / "weights.pt").write_bytes(b"one")
    first = plan_of(text)
    (tmp_path / "weights.pt").write_bytes(b"two")
    second = plan_of(text)
    (tmp_path / "weights.pt").rename(tmp_path / "moved.pt")
    third = plan_of(text.replace("weights.pt", "moved.pt"))
    assert ids(first) != ids(second)
    assert ids(second)["child", 0] == ids(third)["child", 0]
    assert len(str(first.runs[-1].parents[0].sha256)) == 64


def test_a_recorded_run_counts_by_its_id_whatever_the_seed(plan_of: PlanOf) -> None:
    class Records(Unmeasured):
        def weights(self, source: str) -> Parent | None:
            return Parent(source=source, run_id="abcd12345678") if source == "abcd" else None

    text = "variants: {child: {set: {recipe: {init: {from: abcd}}}}}\nseeds: 2\n"
    plan = plan_of(text, measured=Records())
    trained = [run for run in plan.runs if run.seed is not None]
    assert [run.parents[0].run_id for run in trained] == ["abcd12345678"] * 2


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ("a: {set: {recipe: {init: {from: a}}}}", "in a circle: a -> a"),
        (
            "a: {set: {recipe: {init: {from: b}}}}\n  b: {set: {recipe: {init: {from: a}}}}",
            "in a circle: a -> b -> a",
        ),
        (
            "plain: {}\n  a: {set: {recipe: {init: {from: plan}}}}",
            "to take weights from: 'plan'; did you mean 'plain'? (known: plain)",
        ),
        ("a: {set: {recipe: {init: {from: average}}}}", "'average' is a method without weights"),
        (
            "p: {set: {evaluation.select: ensemble}}\n  a: {set: {recipe: {init: {from: p}}}}",
            "'p' predicts with several networks together",
        ),
    ],
)
def test_what_cannot_be_started_from_is_said_with_its_place(
    plan_of: PlanOf, variants: str, said: str
) -> None:
    with pytest.raises(SpecError) as caught:
        plan_of(f"variants:\n  {variants}\n")
    assert said in str(caught.value)
    assert str(caught.value).startswith("s.yaml:")


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("{init: {only: [encoder]}}", "recipe.init needs 'from'"),
        ("{init: {from: x, part: y}}", "unknown key of recipe.init: 'part'"),
        ("{init: {from: ''}}", "recipe.init.from must have at least 1 characters"),
        ("{init: {from: x, only: [a, a]}}", "'a' is named twice"),
        ("{freeze: [encoder.]}", "not 'encoder.'"),
    ],
)
def test_what_breaks_a_rule_is_said_with_its_place(plan_of: PlanOf, recipe: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        plan_of(f"variants: {{a: {{set: {{recipe: {recipe}}}}}}}\n")
    assert said in str(caught.value)
    assert str(caught.value).startswith("s.yaml:")
