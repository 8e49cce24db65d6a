"""Every study that ships plans under each of its profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo.core.records import Plan
from tempo.design.expand import expand
from tempo.spec.load import load_study
from tempo.spec.study import RunConfig

ROOT = Path(__file__).parents[2]
STUDIES = sorted([*ROOT.glob("experiments/*.yaml"), *ROOT.glob("ablations/*.yaml")])


@pytest.fixture(autouse=True)
def _clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPO_CLIPS", "clips")


def plan_of(path: Path, profile: str | None) -> Plan:
    return expand(load_study(path, profile=profile))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_it_plans_and_its_smoke_profile_is_tiny(path: Path) -> None:
    loaded = load_study(path)
    assert loaded.spec.study == path.stem
    assert loaded.spec.question.endswith("?")
    plans = {profile: plan_of(path, profile) for profile in loaded.profiles}
    smoke = plans["smoke"]
    for variant in smoke.variants:
        config = RunConfig.model_validate(variant.config)
        assert config.recipe.budget.steps is not None
        assert config.recipe.budget.steps <= 2
        assert config.runtime.device == "cpu"
        assert config.recipe.precision in {"fp32", "bf16", "fp16"}
    assert {run.seed for run in smoke.runs} <= {None, 0}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_demo_needs_neither_data_nor_a_gpu(path: Path) -> None:
    if "demo" not in load_study(path).profiles:
        pytest.skip("has no demo profile")
    for variant in plan_of(path, "demo").variants:
        assert variant.config["data"]["kind"] == "procedural"
        assert variant.config["runtime"]["device"] == "cpu"


def test_the_main_study_differs_in_nothing_but_its_factors() -> None:
    for profile in ("smoke", "demo", "full"):
        plan = plan_of(ROOT / "ablations/se_dilation.yaml", profile)
        cells = [variant for variant in plan.variants if variant.levels]
        assert len(cells) == 4
        for variant in cells:
            arch = dict(variant.config["arch"])
            arch.pop("se"), arch.pop("dilations")
            first = dict(cells[0].config["arch"])
            first.pop("se"), first.pop("dilations")
            assert arch == first
            assert variant.config["recipe"] == cells[0].config["recipe"]
            assert variant.config["data"] == cells[0].config["data"]


def test_the_dilation_pattern_dilates_something_at_every_size() -> None:
    """A pattern 1, 1, 2 cut to two blocks is no pattern: both levels would be one network."""
    for profile in ("smoke", "demo", "full"):
        plan = plan_of(ROOT / "ablations/se_dilation.yaml", profile)
        arch = plan.variant("se=on dilation=pattern").config["arch"]
        longest = max(size for scale in arch["blocks"] for size in scale)
        assert max(arch["dilations"][:longest]) > 1
