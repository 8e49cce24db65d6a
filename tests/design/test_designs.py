"""The kinds of design: what they give, by name, and what they refuse."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from tempo.core.records import Plan
from tempo.design.design_kinds import sobol_sequence
from tempo.design.fractional_factorial import smallest_fraction

from .conftest import HEAD, Complaints, PlanOf

FACTORS = """\
factors:
  se: {path: arch.se, levels: {on: squeeze_excite, off: none}}
  lr: {path: recipe.lr, levels: {low: 1e-4, high: 1e-3}}
  clip: {path: recipe.grad_clip, levels: {tight: 0.1, loose: 1, off: null}}
  block: {path: arch.block, levels: {conv: pre_act, swin: swin}}
  window: {path: arch.block.window, levels: {4: 4, 8: 8}, when: {block: swin}}
  rate: {path: recipe.lr, range: {low: 1e-5, high: 1e-3, log: true}}
  batch: {path: recipe.batch, range: {low: 2, high: 5, whole: true}}
"""


def names(plan: Plan) -> list[str]:
    return [variant.name for variant in plan.variants if variant.role != "reference"]


def design(text: str) -> str:
    return f"{FACTORS}design: [{{{text}}}]\n"


class TestOneFactor:
    def test_each_level_alone_against_the_study(self, plan_of: PlanOf) -> None:
        plan = plan_of(design("kind: one_factor, factors: [lr, clip]"))
        expected = ["baseline", "lr=low", "lr=high", "clip=tight", "clip=loose", "clip=off"]
        assert names(plan) == expected
        assert plan.variant("clip=off").config["recipe"]["lr"] == 5e-5
        assert plan.variant("clip=off").levels == {"clip": "off"}

    def test_the_baseline_can_have_levels_and_a_name(self, plan_of: PlanOf) -> None:
        text = "kind: one_factor, factors: [lr, clip], baseline: {clip: loose, lr: low}, name: V3"
        plan = plan_of(design(text) + "baseline: V3\n")
        assert names(plan) == ["V3", "lr=high", "clip=tight", "clip=off"]
        assert plan.variant("V3").levels == {"clip": "loose", "lr": "low"}
        assert plan.variant("clip=off").config["recipe"]["lr"] == 1e-4

    def test_a_level_that_is_the_baseline_is_noted(self, plan_of: PlanOf) -> None:
        plan = plan_of(design("kind: one_factor, factors: [se]"))
        assert names(plan) == ["baseline", "se=off"]
        (duplicate,) = plan.exclusions
        assert (duplicate.variant, duplicate.reason) == ("se=on", "the same config as 'baseline'")


def test_zip_takes_levels_together(plan_of: PlanOf) -> None:
    assert names(plan_of(design("kind: zip, factors: [se, lr]"))) == [
        "se=on lr=low",
        "se=off lr=high",
    ]


class TestConditions:
    def test_a_factor_is_left_out_where_it_does_not_apply(self, plan_of: PlanOf) -> None:
        plan = plan_of(design("kind: factorial, factors: [block, window, lr]"))
        assert names(plan) == [
            "block=conv lr=low",
            "block=conv lr=high",
            *(f"block=swin window={w} lr={lr}" for w in (4, 8) for lr in ("low", "high")),
        ]
        assert plan.exclusions == ()

    def test_a_level_can_have_its_own_condition(self, plan_of: PlanOf) -> None:
        text = design("kind: factorial, factors: [se, clip]").replace(
            "off: null}", "off: null}, when_level: {tight: {se: on}, loose: {se: [on, off]}}"
        )
        expected = ["se=on clip=tight", "se=on clip=loose", "se=on clip=off"]
        assert names(plan_of(text)) == [*expected, "se=off clip=loose", "se=off clip=off"]

    def test_exclusions_keep_their_reason_and_need_not_be_valid(self, plan_of: PlanOf) -> None:
        plan = plan_of(
            design("kind: factorial, factors: [se, clip]").replace("tight: 0.1", "tight: -1")
            + "exclude:\n"
            + "  - {levels: {clip: [tight, off], se: on}, reason: too slow}\n"
            + "  - {levels: {clip: tight}, reason: not a norm}\n"
        )
        assert names(plan) == ["se=on clip=loose", "se=off clip=loose", "se=off clip=off"]
        assert [(each.variant, each.reason) for each in plan.exclusions] == [
            ("se=on clip=tight", "too slow"),
            ("se=on clip=off", "too slow"),
            ("se=off clip=tight", "not a norm"),
        ]
        assert plan.exclusions[0].levels == {"se": "on", "clip": "tight"}


class TestFractional:
    def test_the_half_fraction_of_four_factors(self, plan_of: PlanOf) -> None:
        text = design("kind: fractional, factors: [se, lr, block, size]").replace(
            "design:", "  size: {path: arch.base_channels, levels: {s: 8, l: 16}}\ndesign:"
        )
        plan = plan_of(text)
        assert len(names(plan)) == 8
        assert plan.aliases == (
            ("se:lr", "block:size"),
            ("se:block", "lr:size"),
            ("se:size", "lr:block"),
        )
        assert Plan.from_json(plan.to_json()) == plan

    @pytest.mark.parametrize("resolution", [3, 4, 5])
    @pytest.mark.parametrize("factors", range(2, 9))
    def test_laws(self, factors: int, resolution: int) -> None:
        """Balance, orthogonality up to the resolution, and aliases as inner products tell them."""
        fraction = smallest_fraction(factors, resolution)
        rows = np.array(list(fraction.runs())) * 2 - 1
        assert len(np.unique(rows, axis=0)) == len(rows) == 2**fraction.free
        strength = min(factors, (fraction.resolution or factors + 1) - 1)
        assert strength >= min(factors, resolution - 1)
        for size in range(1, strength + 1):
            for chosen in combinations(range(factors), size):
                assert rows[:, chosen].prod(axis=1).sum() == 0
        effects = [(i,) for i in range(factors)] + list(combinations(range(factors), 2))
        columns = np.array([rows[:, each].prod(axis=1) for each in effects])
        told = {frozenset(pair) for group in fraction.aliases() for pair in combinations(group, 2)}
        masks = [sum(1 << bit for bit in each) for each in effects]
        inner = columns @ columns.T
        found = {
            frozenset((masks[i], masks[j]))
            for i, j in combinations(range(len(masks)), 2)
            if inner[i, j] != 0
        }
        assert told == found

    def test_sizes_are_those_of_the_published_table(self) -> None:
        """Box, Hunter and Hunter, Statistics for Experimenters, table 6.22."""
        runs = {(k, r): 2 ** smallest_fraction(k, r).free for k in range(3, 12) for r in (3, 4, 5)}
        published = {
            3: {3: 4, 4: 8, 5: 16, 6: 8, 7: 8, 8: 16, 9: 16, 10: 16, 11: 16},
            4: {4: 8, 5: 16, 6: 16, 7: 16, 8: 16, 9: 32, 10: 32, 11: 32},
            5: {5: 16, 6: 32, 7: 64, 8: 64, 9: 128, 10: 128, 11: 128},
        }
        published[3] |= {4: 8, 5: 8}
        for resolution, sizes in published.items():
            for factors, size in sizes.items():
                assert runs[factors, resolution] == size


SOBOL = "sobol, factors: [se], points: 2"


class TestSobol:
    def test_it_is_the_published_sequence(self) -> None:
        # Joe and Kuo (2008), as 1,000 points of 16 dimensions had it before scipy's took its place.
        rows = [[int(value * 2**30) for value in row] for row in sobol_sequence(1000, [0] * 16)]
        digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
        assert digest[:16] == "36e267e21302a46f"
        assert [row[:4] for row in sobol_sequence(5, [0] * 6)] == [
            [0, 0, 0, 0],
            [0.5, 0.5, 0.5, 0.5],
            [0.75, 0.25, 0.25, 0.25],
            [0.25, 0.75, 0.75, 0.75],
            [0.375, 0.375, 0.625, 0.875],
        ]

    def test_a_shift_is_xored_onto_the_first_point(self) -> None:
        shifts = [5903107830720743356, 3333952881368657110, 8807649219562776605]
        rows = sobol_sequence(6, shifts)
        assert [[int(value * 2**30) for value in row] for row in rows] == [
            [149931964, 132017366, 508110877],
            [686802876, 668888278, 1044981789],
            [955238332, 400452822, 239675421],
            [418367420, 937323734, 776546333],
            [284149692, 534670550, 910764061],
            [821020604, 1071541462, 373893149],
        ]

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("count", [1, 2, 3, 100])
    def test_any_number_of_points_is_a_beginning_of_the_same_sequence(self, count: int) -> None:
        assert sobol_sequence(count, [7, 8]) == sobol_sequence(128, [7, 8])[:count]

    def test_the_runs_of_a_plan_keep_their_ids(self, plan_of: PlanOf) -> None:
        plan = plan_of(design("kind: sobol, factors: [rate, batch, se], points: 5"))
        assert [(run.variant, run.run_id) for run in plan.runs if run.seed is not None] == [
            ("rate=1.902e-05 batch=2 se=off", "190753c98cdf"),
            ("rate=0.0001902 batch=4 se=on", "d290a29a186c"),
            ("rate=0.0006015 batch=3 se=off", "cb5215318a2f"),
            ("rate=6.015e-05 batch=5 se=on", "5168b2ff0a02"),
            ("rate=3.383e-05 batch=3 se=on", "258810b35a95"),
        ]

    def test_scipy_is_imported_by_this_design_alone(self, tmp_path: Path) -> None:
        code = (
            "import sys\n"
            "from pathlib import Path\n"
            "from tempo.design.expand import expand\n"
            "from tempo.spec.load import load_study\n"
            "expand(load_study(Path(sys.argv[1])))\n"
            "print('scipy' in sys.modules)\n"
        )
        for kind, loaded in (("factorial, factors: [se]", "False"), (SOBOL, "True")):
            path = tmp_path / "s.yaml"
            path.write_text(HEAD + design(f"kind: {kind}"))
            done = subprocess.run(
                [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
            )
            assert done.stdout == f"{loaded}\n"

    def test_a_shift_keeps_the_balance(self) -> None:
        rows = np.array(list(sobol_sequence(64, [123456789, 987654321, 5])))
        assert (np.sort((rows * 64).astype(int), axis=0) == np.arange(64)[:, None]).all()

    def test_points_over_levels_and_ranges(self, plan_of: PlanOf) -> None:
        plan = plan_of(design("kind: sobol, factors: [rate, batch, se], points: 16"))
        recipes = [each.config["recipe"] for each in plan.variants if each.role != "reference"]
        assert len(recipes) == 16
        rates = np.log10([each["lr"] for each in recipes])
        assert np.histogram(rates, bins=4, range=(-5, -3))[0].tolist() == [4, 4, 4, 4]
        assert sorted({each["batch"] for each in recipes}) == [2, 3, 4, 5]
        first = plan.variants[0]
        assert float(first.levels["rate"]) == first.config["recipe"]["lr"]
        again = plan_of(design("kind: sobol, factors: [rate, batch, se], points: 16, seed: 1"))
        assert names(again) != names(plan)


ENDS = """\
variants:
  V2: {set: {arch: {preset: tempo_v2}, recipe: {lr: 1e-4, warmup: 1000}}}
  V3: {set: {arch: {preset: tempo_v3, blocks: 4}}}
design:
  - {kind: %s, start: V2, end: V3, parts: {recipe: [recipe], act: [arch.norm, arch.activation]}%s}
"""
PARTS = ["recipe", "act", "blocks", "block", "se", "dilations", "residual_group", "conditioning",
         "decoder", "head"]  # fmt: skip


class TestBetweenTwoEnds:
    def test_leave_one_out(self, plan_of: PlanOf) -> None:
        plan = plan_of(ENDS % ("leave_one_out", ""))
        assert names(plan) == ["V2", "V3", *(f"V3 - {part}" for part in PARTS)]
        without = plan.variant("V3 - recipe")
        assert without.config["recipe"] == plan.variant("V2").config["recipe"]
        assert without.config["arch"] == plan.variant("V3").config["arch"]
        assert without.levels == {part: "V2" if part == "recipe" else "V3" for part in PARTS}
        assert plan.variant("V3 - se").config["arch"]["se"] == {"kind": "none"}

    def test_add_one_in(self, plan_of: PlanOf) -> None:
        plan = plan_of(ENDS % ("add_one_in", ""))
        assert names(plan) == ["V2", "V3", *(f"V2 + {part}" for part in PARTS)]
        assert plan.variant("V2 + act").config["arch"]["activation"] == "gelu"
        assert plan.variant("V2 + blocks").config["arch"]["blocks"] == [[2], [4], [4], [4, 4]]

    def test_ladder(self, plan_of: PlanOf) -> None:
        plan = plan_of(ENDS % ("ladder", f", order: [{', '.join(PARTS)}]"))
        rungs = [" + ".join(["V2", *PARTS[:count]]) for count in range(1, len(PARTS))]
        assert names(plan) == ["V2", "V3", *rungs]
        configs = [plan.variant(name).config for name in ["V2", *rungs, "V3"]]
        for below, above in pairwise(configs):
            assert below != above
        last = plan.variant(rungs[-1]).config["arch"]
        assert last == {**plan.variant("V3").config["arch"], "head": last["head"]}

    def test_presets_are_ends_too_and_repeats_are_kept_once(self, plan_of: PlanOf) -> None:
        text = "variants: {V2: {set: {arch.preset: tempo_v2}}}\ndesign:\n" + "".join(
            f"  - {{kind: {kind}, start: V2, end: tempo_v3}}\n"
            for kind in ("leave_one_out", "add_one_in")
        )
        plan = plan_of(text + "  - list\n")
        assert names(plan).count("V2") == 1
        assert plan.exclusions == ()


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (design("kind: zip, factors: [se, clip]"), "12:22", "(given: se 2, clip 3)"),
        (design("kind: fractional, factors: [se, clip]"), "12:43", "'clip' has 3 in use"),
        (design("kind: factorial, factors: [se, se]"), "12:42", "factor 'se' is named twice"),
        (design("kind: factorial, factors: [rate]"), "12:38", "only `sobol` draws from a range"),
        (design("kind: factorial, factors: [window]"), "12:38", "levels of 'block', which this"),
        (design("kind: one_factor, factors: [lr], baseline: {lr: x}"), "12:59", "of lr: 'x'"),
        (design("kind: sobol, factors: [sx], points: 2"), "12:34", "unknown factor 'sx'"),
        (FACTORS.replace("high: 1e-3, log", "high: 1e-9, log"), "10:34", "low < high, not 1e-05"),
        (FACTORS.replace("block: swin}", "block: swim}"), "9:73", "unknown level of block: 'swim'"),
        (FACTORS.replace("when: {block", "when: {window"), "9:74", "unknown level of window"),
        (FACTORS.replace("levels: {4: 4, 8: 8}, ", ""), "9:11", "either `levels`"),
        (FACTORS + "exclude: [{levels: {se: on}}]\n", "12:11", "exclude.0 needs 'reason'"),
        (FACTORS + "exclude: [{levels: {se: no}, reason: x}]\n", "12:25", "level of se: 'no'"),
        (ENDS % ("ladder", ", order: [se, see]"), "8:114", "unknown part between V2 and V3: 'see'"),
        (ENDS.replace("end: V3", "end: V4") % ("add_one_in", ""), "8:40", "unknown variant or pre"),
        (ENDS.replace("arch.norm", "arch.nrm") % ("add_one_in", ""), "8:76", "no field 'nrm' in"),
        (ENDS.replace("end: V3", "end: V2") % ("add_one_in", ""), "8:5", "V2 and V2 do not differ"),
        (design("kind: factorial, factors: [se]") + "baseline: se=on\n"
         "exclude: [{levels: {se: on}, reason: slow}]\n", "13:11", "'se=on' is excluded: slow"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(
    complaints: Complaints, text: str, place: str, message: str
) -> None:
    found = complaints(text)
    assert any(message in line for line in found), found
    assert any(line.startswith(f"s.yaml:{place}: ") for line in found if message in line), found


class TestEqual:
    TEXT = (
        "equal: steps\nvariants:\n  a: {}\n  b: {set: {recipe.batch: 2}}\n"
        "  c: {set: {recipe.budget: {steps: 3}}}\n"
        "design: [{kind: list, variants: [a, b]}]\n"
    )

    def test_equal_budgets_pass(self, plan_of: PlanOf) -> None:
        assert names(plan_of(self.TEXT)) == ["a", "b"]

    def test_another_budget_is_refused_at_its_variant(self, complaints: Complaints) -> None:
        (line,) = complaints(self.TEXT.replace("[a, b]", "[a, c]"))
        assert line == (
            "s.yaml:8:3: `equal: steps` needs a budget in steps like 'a' (2 steps); 'c' has 3 steps"
        )

    def test_another_unit_is_refused(self, complaints: Complaints) -> None:
        lines = complaints(self.TEXT.replace("equal: steps", "equal: epochs"))
        assert "`equal: epochs` needs a budget in epochs; 'a' has 2 steps" in lines[0]
