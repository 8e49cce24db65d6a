"""Tempo beside R: lme4's REML, lmerTest's and pbkrtest's degrees of freedom, on committed data.

No R is needed: `table.json` is what `make_table.R` wrote. `paired`, `whole`, `usual`, `nested` and
`sources` are its models, said there.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats

from tempo.comparison.statistics.random_effects import Combination, RandomEffects
from tests.comparison.parity.data_sets import FOLDER, RECIPES, read, text

TABLE: dict[str, Any] = json.loads((Path(__file__).parent / "table.json").read_text())["sets"]


class Case(NamedTuple):
    """One contrast of one data set, and R's fits of it."""

    name: str
    variant: str
    fits: dict[str, Any]

    @property
    def set(self) -> dict[str, Any]:
        return TABLE[self.name]

    def combination(self) -> Combination:
        found = RandomEffects(read(self.name)).contrast({self.variant: 1.0, "v0": -1.0})
        assert found is not None
        return found


CASES = [
    Case(name, variant, fits)
    for name, one in TABLE.items()
    for variant, fits in one["contrasts"].items()
]


def _equal_sizes(case: Case) -> bool:
    return "paired" in case.fits


def _zeros(case: Case) -> int:
    """How many of the components of `paired` R puts at zero."""
    return sum(each < 1e-12 for each in case.fits["paired"]["components"].values())


EQUAL = [case for case in CASES if _equal_sizes(case)]
UNEQUAL = [case for case in CASES if not _equal_sizes(case)]
PAIRS = [case for case in EQUAL if case.set["variants"] == 2]
AGREEING = [case for case in PAIRS if _zeros(case) <= 1]
POSITIVE = [case for case in PAIRS if _zeros(case) == 0]
COMPLETE = [case for case in EQUAL if case.name.split("_")[0] != "missing"]
MANY = [case for case in COMPLETE if case.set["variants"] > 2]


def each(cases: list[Case]) -> pytest.MarkDecorator:
    names = [f"{case.name}-{case.variant}" for case in cases]
    return pytest.mark.parametrize("case", cases, ids=names)


def test_the_table_is_of_the_committed_data_sets() -> None:
    digests = {
        path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.csv")
    }
    assert digests == {name: one["sha256"] for name, one in TABLE.items()}


def test_the_data_sets_are_those_that_are_drawn() -> None:
    assert sorted(recipe.name for recipe in RECIPES) == sorted(TABLE)
    for recipe in RECIPES:
        assert text(recipe) == (FOLDER / f"{recipe.name}.csv").read_text(), recipe.name


def test_r_found_the_minimum_everywhere() -> None:
    """The derivative of the deviance by a component's standard deviation is nil."""
    fits = [fit for case in CASES for fit in case.fits.values() if isinstance(fit, dict)]
    assert len(fits) > 200
    assert max(fit["gradient"] for fit in fits) < 1e-5


def test_at_least_thirty_data_sets_agree() -> None:
    assert len(AGREEING) >= 30
    assert len({case.set["runs"] // 2 for case in AGREEING}) == 8  # 3 to 10 seeds
    assert len(TABLE) >= 36


@each(EQUAL)
def test_the_value_is_that_of_r(case: Case) -> None:
    fit = case.fits["paired"]
    assert abs(case.combination().value - fit["value"]) < 1e-6 * fit["se"]


@each(COMPLETE)
def test_the_value_is_that_of_r_for_all_variants_together(case: Case) -> None:
    for model in ("whole", "usual"):
        fit = case.fits[model]
        assert abs(case.combination().value - fit["value"]) < 1e-6 * fit["se"]


@each(AGREEING)
def test_the_standard_error_of_a_pair_is_that_of_r(case: Case) -> None:
    """Kenward and Roger's variance is the same one on balanced data."""
    fit = case.fits["paired"]
    se = case.combination().parts.se
    assert se == pytest.approx(fit["se"], rel=1e-6)
    assert se == pytest.approx(fit["se_kenward_roger"], rel=1e-6)


@each([case for case in POSITIVE if not case.fits["whole"]["singular"] and case in COMPLETE])
def test_the_standard_error_of_a_pair_is_that_of_the_model_of_all_runs(case: Case) -> None:
    assert case.combination().parts.se == pytest.approx(case.fits["whole"]["se"], rel=1e-6)


@each(POSITIVE)
def test_the_parts_of_the_variance_are_those_of_r(case: Case) -> None:
    found = case.combination()
    variance = case.fits["paired"]["components"]
    seeds, sources = case.fits["seeds"], len(case.set["sizes"])
    residual = variance["Residual"]
    parts = found.parts
    assert parts.seed == pytest.approx((variance["seed"] + residual / sources) / seeds, rel=1e-5)
    assert parts.source == pytest.approx(
        (variance["source"] + residual / seeds) / sources, rel=1e-5
    )
    assert parts.both == pytest.approx(residual / seeds / sources, rel=1e-5)


@each(POSITIVE)
def test_satterthwaite_of_the_parts_is_that_of_r(case: Case) -> None:
    """His plain formula; Tempo's own shares stand at an upper bound: see the next test."""
    parts = case.combination().parts
    seeds, sources = case.fits["seeds"] - 1, len(case.set["sizes"]) - 1
    terms = parts.seed**2 / seeds + parts.source**2 / sources + parts.both**2 / (seeds * sources)
    df = parts.variance**2 / terms
    fit = case.fits["paired"]
    assert df == pytest.approx(fit["df_satterthwaite"], rel=1e-4)
    assert df == pytest.approx(fit["df_kenward_roger"], rel=1e-4)
