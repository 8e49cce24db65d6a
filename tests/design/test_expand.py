"""From a study to its plan: variants, roles, runs, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tempo.core.identity import short_hash
from tempo.core.records import Plan
from tempo.spec.study import RunConfig, identity

from .conftest import Complaints, PlanOf

FACTORS = """\
factors:
  se: {path: arch.se, levels: {on: squeeze_excite, off: none}}
  lr: {path: recipe.lr, levels: {low: 1e-4, high: 1e-3}}
  size:
    levels:
      small: {arch.base_channels: 8, recipe.batch: 4}
      large: {arch.base_channels: 16, recipe.batch: 2}
"""
GRID = FACTORS + "design: [{kind: factorial, factors: [se, lr]}]\n"


def trained(plan: Plan) -> list[str]:
    return [variant.name for variant in plan.variants if variant.role != "reference"]


def test_without_a_design_the_study_is_its_one_variant(plan_of: PlanOf) -> None:
    plan = plan_of("seeds: 2\n")
    assert trained(plan) == ["s"]
    assert plan.baseline is None
    assert [run.title for run in plan.runs] == ["average", "nearest", "s s0", "s s1"]


FACTOR = "factors: {lr: {path: recipe.lr, levels: {low: 1e-4, high: 1e-3}}}\n"


def test_factors_without_a_design_are_refused_with_the_design_to_add(
    complaints: Complaints,
) -> None:
    (line,) = complaints(FACTOR)
    assert line.startswith("s.yaml:4:1: there are factors (lr) but no `design`")
    assert "design: [{kind: factorial, factors: [lr]}]" in line


def test_an_empty_design_is_a_choice_and_the_plan_says_what_it_leaves_out(plan_of: PlanOf) -> None:
    plan = plan_of(FACTOR + "design: []\n")
    assert trained(plan) == ["s"]
    assert plan.notes == (
        "factor lr is varied by no design and set by no variant, so it changes nothing",
    )
    assert plan_of(FACTOR + "design: [{kind: factorial, factors: [lr]}]\n").notes == ()


def test_factors_that_variants_pick_from_need_no_design(plan_of: PlanOf) -> None:
    plan = plan_of(FACTOR + "variants: {fast: {levels: {lr: high}}}\n")
    assert (trained(plan), plan.notes) == (["fast"], ())


def test_a_factorial_names_every_combination_in_order(plan_of: PlanOf) -> None:
    plan = plan_of(GRID)
    assert trained(plan) == ["se=on lr=low", "se=on lr=high", "se=off lr=low", "se=off lr=high"]
    assert plan.variant("se=off lr=high").levels == {"se": "off", "lr": "high"}
    assert plan.variant("se=off lr=high").config["arch"]["se"] == {"kind": "none"}
    assert plan.variant("se=off lr=high").config["recipe"]["lr"] == 1e-3
    assert plan.variant("se=on lr=low").config["arch"]["se"]["kind"] == "squeeze_excite"


def test_one_level_can_set_several_fields(plan_of: PlanOf) -> None:
    plan = plan_of(FACTORS + "design: [{kind: factorial, factors: [size]}]\n")
    config = plan.variant("size=large").config
    assert (config["arch"]["base_channels"], config["recipe"]["batch"]) == (16, 2)


def test_only_leaves_levels_out(plan_of: PlanOf) -> None:
    assert trained(plan_of(GRID, overrides=["factors.lr.only=[high]"])) == [
        "se=on lr=high",
        "se=off lr=high",
    ]


def test_named_variants_take_levels_and_fields(plan_of: PlanOf) -> None:
    plan = plan_of(
        FACTORS + "variants:\n"
        "  V2: {levels: {lr: high}, set: {arch: {preset: tempo_v2}, recipe.batch: 3}}\n"
        "  V3: {}\n"
        "baseline: V3\n"
    )
    assert trained(plan) == ["V2", "V3"]
    assert plan.variant("V2").config["arch"]["block"] == {"kind": "post_act"}
    assert plan.variant("V2").config["recipe"]["lr"] == 1e-3
    assert plan.variant("V2").config["recipe"]["batch"] == 3
    assert plan.variant("V3").role == "baseline"


def test_designs_are_concatenated_and_duplicates_are_noted(plan_of: PlanOf) -> None:
    plan = plan_of(
        GRID.replace("}]", "}, {kind: factorial, factors: [se]}, list]")
        + "variants: {plain: {}}\nbaseline: plain\n",
        overrides=["recipe.lr=1e-4"],
    )
    assert trained(plan) == ["se=on lr=low", "se=on lr=high", "se=off lr=low", "se=off lr=high"]
    assert [(each.variant, each.reason) for each in plan.exclusions] == [
        ("se=on", "the same config as 'se=on lr=low'"),
        ("se=off", "the same config as 'se=off lr=low'"),
        ("plain", "the same config as 'se=on lr=low'"),
    ]
    assert plan.baseline == "se=on lr=low"
    assert [each.name for each in plan.variants if each.role == "baseline"] == ["se=on lr=low"]


def test_runs_go_replicate_by_replicate_with_the_references_first(plan_of: PlanOf) -> None:
    plan = plan_of(GRID + "seeds: [3, 1]\nreferences: [nearest]\n")
    titles = [run.title for run in plan.runs]
    names = trained(plan)
    assert titles == ["nearest", *(f"{n} s3" for n in names), *(f"{n} s1" for n in names)]
    assert max(Counter(run.run_id for run in plan.runs).values()) == 1


def test_run_ids_are_the_identity_of_the_config(plan_of: PlanOf) -> None:
    plan = plan_of(GRID + "seeds: 2\n")
    for run in plan.runs:
        config = RunConfig.model_validate(plan.variant(run.variant).config)
        assert run.run_id == identity(config, run.seed)


def test_runtime_never_changes_a_run_and_equal_runs_are_shared(plan_of: PlanOf) -> None:
    text = "variants: {one: {set: {runtime.threads: 1}}, two: {set: {runtime.threads: 2}}}\n"
    plan = plan_of(text + "seeds: 2\nreferences: []\n")
    assert trained(plan) == ["one", "two"]
    ids = [run.run_id for run in plan.runs]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert [run.title for run in plan.distinct_runs] == ["one s0", "one s1"]


def test_references_are_judged_on_the_data_and_have_no_seed(plan_of: PlanOf) -> None:
    plan = plan_of("seeds: 3\n")
    assert plan.variant("average").role == "reference"
    assert plan.variant("average").config["method"] == "average"
    same = plan_of("seeds: 3\n", overrides=["recipe.lr=1", "arch.preset=tempo_v2"])
    other = plan_of("seeds: 3\n", overrides=["data={kind: procedural, seed: 1}"])
    assert same.runs[0].run_id == plan.runs[0].run_id != other.runs[0].run_id


def test_a_plan_survives_its_json(plan_of: PlanOf) -> None:
    plan = plan_of(GRID)
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.spec_hash == short_hash(plan.spec)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (GRID.replace("arch.se", "arch.see"), "5:14", "no field 'see' in arch; did you mean 'se'?"),
        (GRID.replace("recipe.lr", "recipie.lr"), "6:14", "no field 'recipie'; did you mean 'reci"),
        (GRID.replace("arch.se", "arch.norm.grops"), "5:14", "no field 'grops' in arch.norm"),
        (GRID.replace("recipe.lr", "recipe.lr.x"), "6:14", "recipe.lr has no fields"),
        (GRID.replace("off: none", "off: nine"), "5:57", "unknown channel attention 'nine'; did"),
        (GRID.replace("1e-3", "-1"), "6:51", "recipe.lr must be greater than 0, not -1"),
        (GRID.replace("1e-3", "'1'"), "6:51", "must be a number, not '1'; remove the quotes"),
        (GRID.replace("[se, lr]", "[se, rl]"), "11:42", "unknown factor 'rl'; did you mean 'lr'?"),
        (FACTORS.replace("8, recipe.batch", "8, recipe.bach"), "9:38", "no field 'bach' in recipe"),
        (FACTORS.replace("{arch.base_channels: 8, recipe.batch: 4}", "8"), "9:14", "has no `path`"),
        (GRID.replace("high: 1e-3}", "high: 1e-3}, only: [hi]"), "6:65", "level of lr: 'hi'"),
        (GRID + "baseline: se=on lr=lo\n", "12:11", "did you mean 'se=on lr=low'?"),
        ("variants: {a: {levels: {se: on}}}\n", "4:29", "unknown factor 'se'"),
        (FACTORS + "variants: {a: {levels: {se: no}}}\n", "11:29", "unknown level of se: 'no'"),
        ("variants: {a: {set: {recip: {lr: 1}}}}\n", "4:22", "did you mean 'recipe'?"),
        ("variants: {a: {set: {recipe: {lrr: 1}}}}\n", "4:31", "unknown key of recipe: 'lrr'"),
        ("variants: {a: {set: {arch: {preset: v9}}}}\n", "4:37", "unknown architecture preset"),
        ("variants: {a: {}}\ndesign: [{kind: list, variants: [b]}]\n", "5:34", "variant 'b'"),
        ("variants: {average: {}}\n", "1:1", "a variant is called 'average', like a reference"),
        ("design: [list]\n", "4:10", "a list needs named `variants` in the study"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(
    complaints: Complaints, text: str, line: str, message: str
) -> None:
    found = complaints(text)
    assert len(found) == 1, found
    assert found[0].startswith(f"s.yaml:{line}: ")
    assert message in found[0]


def test_two_variants_of_one_name_are_refused(complaints: Complaints) -> None:
    (line,) = complaints(GRID.replace("}]", "}, list]") + 'variants: {"se=on lr=low": {}}\n')
    assert line.endswith("two variants are called 'se=on lr=low'")


def test_planning_imports_nothing_heavy() -> None:
    heavy = ["torch", "numpy", "pandas", "mlflow", "optuna", "matplotlib", "scipy", "rich"]
    code = f"import sys, tempo.design.expand; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_equal_sections_are_worked_out_once(plan_of: PlanOf) -> None:
    """Ten thousand runs stay cheap because variants share their sections."""
    levels = "{" + ", ".join(f"l{i}: {i}" for i in range(1, 51)) + "}"
    plan = plan_of(
        f"factors: {{a: {{path: recipe.batch, levels: {levels}}}, "
        f"b: {{path: arch.base_channels, levels: {levels.replace('l', 'm')}}}}}\n"
        "design: [{kind: factorial, factors: [a, b]}]\n"
        "seeds: 4\n".replace("arch.base_channels", "data.seed")
    )
    assert len(plan.runs) == 50 * 50 * 4 + 2
    assert len({run.run_id for run in plan.runs}) == len(plan.runs)
    for section, distinct in [("recipe", 51), ("data", 51), ("arch", 1)]:
        assert len({id(each.config[section]) for each in plan.variants}) <= distinct
