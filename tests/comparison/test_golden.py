"""A factorial study with planted effects and failed cells, recovered within its intervals."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Effect, Word
from tempo.core.t_interval import two_sided_quantile
from tempo.records.layout import Store

FACTORS = {"se": ["off", "on"], "dilation": ["flat", "pattern"], "norm": ["group", "none", "layer"]}
MAIN, CROSSED = 0.5, 0.2


def gain(cell: Mapping[str, str]) -> float:
    """A main effect of se, an interaction of se and dilation, nothing of norm."""
    se, dilation = cell["se"] == "on", cell["dilation"] == "pattern"
    return MAIN * se + CROSSED * (se - 0.5) * (dilation - 0.5)


@pytest.fixture(scope="module")
def golden(planted: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two of twelve cells failed under every seed."""
    arms = planted.factorial_arms(FACTORS, gain)
    broken = {2, 9}
    arms = [
        planted.Arm(
            name=arm.name,
            gain=arm.gain,
            levels=arm.levels,
            config=arm.config,
            broken=frozenset(range(5)) if place in broken else frozenset(),
        )
        for place, arm in enumerate(arms)
    ]
    root = tmp_path_factory.mktemp("golden")
    noise = planted.Noise(seed=0.1, clip=0.1, residual=0.1)
    study = planted.Study(
        arms=arms, seeds=5, clips=100, sources=100, noise=noise, baseline=arms[0].name, stream=4
    )
    return compare(Store(root), planted.write_study(root, study))


def effect(found: Comparison, *factors: str) -> Effect:
    every = (*found.main_effects, *found.interactions)
    return next(each for each in every if each.factors == factors)


def test_the_main_effect_is_recovered(golden: Comparison) -> None:
    found = effect(golden, "se")
    assert found.terms == ("on", "off")
    assert found.change.low <= MAIN <= found.change.high
    assert found.change.high - found.change.low < 0.4
    assert found.verdict.word == Word.BETTER
    assert found.note == "2 of 12 cells have no result"
    assert (found.cells, found.planned_cells) == (10, 12)


def test_the_interaction_is_recovered(golden: Comparison) -> None:
    found = effect(golden, "se", "dilation")
    assert found.terms == ("on", "off", "pattern", "flat")
    assert found.change.low <= CROSSED <= found.change.high


def test_what_was_not_planted_is_not_found(golden: Comparison) -> None:
    for factors in (("norm",), ("dilation",)):
        found = effect(golden, *factors)
        assert found.change.low <= 0 <= found.change.high
        assert found.verdict.word not in (Word.BETTER, Word.WORSE)
    assert golden.aliases == ()


def test_failed_cells_are_in_the_table(golden: Comparison) -> None:
    failed = [row for row in golden.rows if row.state == "failed"]
    assert len(failed) == 2
    assert all(not row.estimates for row in failed)
    assert len(golden.failures) == 10


def test_the_noise_that_was_planted(golden: Comparison) -> None:
    (psnr, _) = golden.noise
    # 0.1 dB that each variant has to itself and 0.1 dB that all share of a seed, from five seeds.
    assert psnr.seed_sd == pytest.approx(np.sqrt(0.1**2 + 0.1**2), rel=0.4)
    quantile = two_sided_quantile(0.95, psnr.df)
    assert psnr.floor == pytest.approx(quantile * psnr.seed_sd * np.sqrt(2 / 5))
    assert 4 <= psnr.df <= 39


def runs_table(found: Comparison) -> pd.DataFrame:
    return pd.DataFrame(
        {"y": run.values["psnr"], "seed": run.seed, **found.row(run.variant).levels}
        for run in found.runs
        if run.values
    )


def test_effects_are_least_squares_with_seeds_as_blocks(golden: Comparison) -> None:
    """statsmodels fits the same model; sum coding makes a main effect twice its coefficient."""
    table = runs_table(golden)
    mains = " + ".join(f"C({name}, Sum)" for name in FACTORS)
    fit = smf.ols(f"y ~ ({mains})**2 + C(seed)", table).fit()
    for name in ("se", "dilation"):
        expected = -2 * next(v for k, v in fit.params.items() if k.startswith(f"C({name}, Sum)[S."))
        assert effect(golden, name).change.value == pytest.approx(expected, abs=1e-6)


@pytest.fixture
def whole(planted: ModuleType, tmp_path: Path) -> Comparison:
    arms = planted.factorial_arms(FACTORS, gain)
    noise = planted.Noise(seed=0.1, clip=0.1, residual=0.1)
    study = planted.Study(
        arms=arms, seeds=4, clips=60, sources=60, noise=noise, baseline=arms[0].name, stream=8
    )
    return compare(Store(tmp_path), planted.write_study(tmp_path, study))


def test_a_whole_design_separates_everything(whole: Comparison) -> None:
    assert whole.aliases == ()
    found = effect(whole, "se", "dilation")
    assert found.change.low <= CROSSED <= found.change.high
    assert found.note == ""


def test_effects_of_a_whole_design_are_differences_of_cell_means(whole: Comparison) -> None:
    means = {
        tuple(row.levels.values()): row.estimates["psnr"].mean
        for row in whole.rows
        if row.role != "reference"
    }
    on = np.mean([v for k, v in means.items() if k[0] == "on"])
    off = np.mean([v for k, v in means.items() if k[0] == "off"])
    assert effect(whole, "se").change.value == pytest.approx(on - off)


TWO = {name: levels[:2] for name, levels in FACTORS.items()}


def test_fewer_cells_than_effects_say_what_is_assumed(planted: ModuleType, tmp_path: Path) -> None:
    arms = planted.factorial_arms(TWO, gain)
    kept = [arm for place, arm in enumerate(arms) if place not in {2, 7}]
    study = planted.Study(arms=kept, seeds=5, clips=60, sources=60, baseline=arms[0].name, stream=3)
    found = compare(Store(tmp_path), planted.write_study(tmp_path, study))
    assert effect(found, "se").note == "assuming that dilation and norm do not interact"
    assert effect(found, "se").change.low <= MAIN <= effect(found, "se").change.high
    assert {each.effect for each in found.aliases} >= {"se", "se x dilation"}
    main = effect(found, "se")
    assert main.verdict.word == Word.INCONCLUSIVE
    assert main.verdict.reason.startswith(
        "it cannot be told from norm, se x dilation or dilation x norm"
    )
    assert main.p is None and main.p_adjusted is None


def test_cells_that_have_not_finished_leave_no_verdict(planted: ModuleType, tmp_path: Path) -> None:
    """se gains a decibel, which the unfinished cells do not let be told from an interaction."""
    arms = [
        replace(arm, broken=frozenset(range(5)) if place in {2, 7} else frozenset())
        for place, arm in enumerate(planted.factorial_arms(TWO, lambda cell: cell["se"] == "on"))
    ]
    study = planted.Study(arms=arms, seeds=5, clips=60, sources=60, baseline=arms[0].name, stream=3)
    found = compare(Store(tmp_path), planted.write_study(tmp_path, study))
    main = effect(found, "se")
    assert main.change.low > 0
    assert main.verdict.word == Word.INCONCLUSIVE
    assert main.verdict.reason == (
        "it cannot be told from norm, se x dilation or dilation x norm: the cells that would "
        "separate them have not finished"
    )
    aliased = {each.effect for each in found.aliases}
    for each in (*found.main_effects, *found.interactions):
        if " x ".join(each.factors) in aliased:
            assert each.verdict.word == Word.INCONCLUSIVE


def test_a_half_fraction_names_its_aliases(planted: ModuleType, tmp_path: Path) -> None:
    """norm = se x dilation: each main effect is an interaction of the other two."""
    arms = [
        arm
        for arm in planted.factorial_arms(TWO, gain)
        if (arm.levels["norm"] == "none")
        == ((arm.levels["se"] == "on") == (arm.levels["dilation"] == "pattern"))
    ]
    study = planted.Study(arms=arms, seeds=3, baseline=arms[0].name)
    found = compare(Store(tmp_path), planted.write_study(tmp_path, study))
    aliases = {each.effect: each.with_effects for each in found.aliases}
    assert aliases["norm"] == ("se x dilation",)
    assert aliases["se"] == ("dilation x norm",)
    assert all("planned variants never vary" in each.reason for each in found.aliases)
    assert effect(found, "se").note == "assuming that dilation and norm do not interact"
    assert effect(found, "se", "dilation").change is None
    assert found.main_effects[0].change is not None
    for each in (*found.main_effects, *found.interactions):
        assert each.verdict.word == Word.INCONCLUSIVE
        assert each.verdict.reason.startswith("it cannot be told from")


def test_an_alias_of_the_plan_leaves_no_verdict(planted: ModuleType, tmp_path: Path) -> None:
    """The plan names factors in the order of its design, the grid in that of its cells."""
    arms = planted.factorial_arms(TWO, lambda cell: 1.0 * (cell["se"] == "on"))
    study = planted.Study(arms=arms, seeds=4, baseline=arms[0].name, clips=60, sources=60)
    plan = replace(planted.write_study(tmp_path, study), aliases=(("se", "norm:dilation"),))
    found = compare(Store(tmp_path), plan)
    assert {each.effect for each in found.aliases} == {"se", "norm x dilation"}
    assert effect(found, "se").change.low > 0
    assert effect(found, "se").verdict.reason == (
        "it cannot be told from norm x dilation: the planned fraction cannot tell them apart"
    )
    assert effect(found, "dilation", "norm").verdict.reason.startswith("it cannot be told from se")
    assert effect(found, "se", "norm").verdict.reason.startswith(("within", "+", "-"))


def test_runs_that_failed_here_and_there_leave_the_effects_estimable(
    planted: ModuleType, tmp_path: Path
) -> None:
    arms = [
        planted.Arm(
            name=arm.name,
            gain=arm.gain,
            levels=arm.levels,
            config=arm.config,
            broken=frozenset({place % 5}),
        )
        for place, arm in enumerate(planted.factorial_arms(FACTORS, gain))
    ]
    noise = planted.Noise(seed=0.1, clip=0.1, residual=0.1)
    study = planted.Study(
        arms=arms, seeds=5, clips=60, sources=60, noise=noise, baseline=arms[0].name, stream=2
    )
    found = compare(Store(tmp_path), planted.write_study(tmp_path, study))
    main = effect(found, "se")
    assert main.note == "cells have different numbers of seeds"
    assert main.change.low <= MAIN <= main.change.high
