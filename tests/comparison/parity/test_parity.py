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
from tempo.comparison.statistics.source_variance import Groups, components
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
        found = RandomEffects(read(self.name), "v0").contrast({self.variant: 1.0, "v0": -1.0})
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
SINGULAR = [case for case in PAIRS if _zeros(case) > 0]
COMPLETE = [case for case in EQUAL if not case.name.startswith("missing")]
MISSING = [case for case in EQUAL if case.name.startswith("missing")]
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


@each([case for case in EQUAL if _zeros(case) == 0])
def test_the_sources_part_of_the_variance_is_that_of_r(case: Case) -> None:
    """With any number of variants: a contrast's sources are its own."""
    parts = case.combination().parts
    assert parts.source == pytest.approx(_source_part(case), rel=1e-5)


@each(POSITIVE)
def test_the_seeds_part_of_the_variance_of_a_pair_is_that_of_r(case: Case) -> None:
    parts = case.combination().parts
    assert parts.seed == pytest.approx(_seed_part(case), rel=1e-5)
    residual = case.fits["paired"]["components"]["Residual"]
    cells = case.fits["seeds"] * len(case.set["sizes"])
    assert parts.both == pytest.approx(residual / cells, rel=1e-5)


def _seed_part(case: Case) -> float:
    variance = case.fits["paired"]["components"]
    sources = len(case.set["sizes"])
    return float(variance["seed"] + variance["Residual"] / sources) / int(case.fits["seeds"])


def _source_part(case: Case) -> float:
    variance = case.fits["paired"]["components"]
    seeds = int(case.fits["seeds"])
    return float(variance["source"] + variance["Residual"] / seeds) / len(case.set["sizes"])


@each(POSITIVE)
def test_satterthwaite_of_the_parts_of_a_pair_is_that_of_r(case: Case) -> None:
    """His plain formula, which Kenward and Roger's gives as well where nothing is missing."""
    parts = case.combination().parts
    seeds, sources = case.fits["seeds"] - 1, len(case.set["sizes"]) - 1
    terms = parts.seed**2 / seeds + parts.source**2 / sources + parts.both**2 / (seeds * sources)
    df = parts.variance**2 / terms
    fit = case.fits["paired"]
    assert df == pytest.approx(fit["df_satterthwaite"], rel=1e-5)
    assert df == pytest.approx(fit["df_kenward_roger"], rel=1e-6)


@each([case for case in CASES if "sources" in case.fits])
def test_the_components_of_clips_and_sources_are_those_of_r(case: Case) -> None:
    """Restricted maximum likelihood on the clips' differences, sources of any size."""
    fit = case.fits["sources"]
    found = components(_groups(case))
    assert found.source == pytest.approx(fit["components"]["source"], rel=1e-5)
    assert found.clip == pytest.approx(fit["components"]["Residual"], rel=1e-5)
    assert abs(found.mean - fit["value"]) < 1e-6 * fit["se"]


def _groups(case: Case) -> Groups:
    matrix = read(case.name)
    weights = {case.variant: 1.0, "v0": -1.0}
    seeds = matrix.common_seeds(list(weights))
    assert matrix.values is not None
    values = sum(
        weight * matrix.values[matrix.rows(name, seeds)].mean(axis=0)
        for name, weight in weights.items()
    )
    parts = matrix.paired(weights, seeds).mean(axis=0)
    return Groups.of(parts, matrix.weights, matrix.clips, float((np.asarray(values) ** 2).sum()))


# What differs, and how: docs/verdicts.md gives the measured figures.


def _longer(case: Case, model: str, df: str = "satterthwaite") -> float:
    """Return the quantile of Tempo's 95 % interval over R's."""
    own, other = case.combination().parts.df, case.fits[model][f"df_{df}"]
    return float(stats.t.ppf(0.975, own) / stats.t.ppf(0.975, other))


@each(POSITIVE)
def test_the_quantile_of_a_pair_is_that_of_r_or_more_where_seeds_are_few(case: Case) -> None:
    """Tempo takes each part's share at its upper bound, as the plain formula covers too little."""
    few = case.fits["seeds"] == 3
    assert (0.995 if few else 0.975) < _longer(case, "paired") < 1.15


def test_with_three_seeds_intervals_are_longer_than_those_of_r() -> None:
    longer = [_longer(case, "paired") for case in POSITIVE if case.fits["seeds"] == 3]
    assert len(longer) >= 5
    assert np.median(longer) > 1.05


@each(SINGULAR)
def test_where_r_finds_a_component_of_zero_intervals_are_much_the_same(case: Case) -> None:
    """Both leave that component out; with two of them R pools what is left, Tempo does not."""
    se = case.combination().parts.se
    assert se == pytest.approx(case.fits["paired"]["se"], rel=1e-6 if _zeros(case) == 1 else 0.01)
    assert 0.9 < _longer(case, "paired") < 1.15


def test_there_are_data_sets_of_either_kind_of_zero() -> None:
    assert {_zeros(case) for case in SINGULAR} == {1, 2}


@each([case for case in PAIRS if case in COMPLETE and not case.fits["usual"]["singular"]])
def test_the_usual_model_differs_by_its_residual(case: Case) -> None:
    """Without (1|seed:source) the residual holds what seeds and sources do to both variants."""
    found = case.combination().parts.se / case.fits["usual"]["se"]
    assert 1e-4 < abs(found - 1) < 0.06


@each(MANY)
def test_among_many_variants_the_seed_variance_lies_between_those_of_the_contrasts(
    case: Case,
) -> None:
    """Moderated: each contrast leans on the others, where R's `whole` has one for all."""
    every = [one for one in MANY if one.name == case.name]
    own = [_seed_part(one) for one in every]
    found = case.combination().parts.seed
    assert min(own) * 0.99 < found < max(own) * 1.01
    assert len(every) < 2 or found != pytest.approx(_seed_part(case), rel=1e-6)


@each(MANY)
def test_among_many_variants_the_standard_error_is_near_that_of_r(case: Case) -> None:
    found = case.combination().parts.se / case.fits["whole"]["se"]
    assert 0.75 < found < 1.3
    assert abs(found - 1) > 1e-4


@each([case for case in MANY if case.name == "many_noisy_baseline"])
def test_a_noisy_baseline_is_in_every_contrast(case: Case) -> None:
    """R's `whole` gives the baseline's noise to all variants in equal parts: too short."""
    assert case.combination().parts.se > 1.02 * case.fits["whole"]["se"]
    assert case.combination().parts.df < case.fits["whole"]["df_satterthwaite"] / 3


@each(MISSING)
def test_missing_runs_are_left_out_with_their_pair(case: Case) -> None:
    """R's `whole` also uses the runs whose partner failed."""
    found, fit = case.combination(), case.fits["whole"]
    assert 1e-3 < abs(found.value - fit["value"]) / fit["se"] < 0.5
    assert 0.93 < found.parts.se / fit["se"] < 1.25


@each(UNEQUAL)
def test_unequal_sources_are_averaged_over_clips_as_papers_do(case: Case) -> None:
    """R weighs sources by what they tell (generalised least squares): another question."""
    found, fit = case.combination(), case.fits["nested"]
    assert abs(found.value - case.fits["mean"]) < 1e-6 * fit["se"]
    assert 1e-3 < abs(found.value - fit["value"]) / fit["se"] < 2.5
    assert 0.95 < found.parts.se / fit["se"] < 1.6


@each(UNEQUAL)
def test_the_sources_part_is_near_what_the_components_of_r_give(case: Case) -> None:
    """Tempo averages over the likelihood of their ratio, R's estimate is its peak.

    Where few sources make the peak low, the average is up to 36 % longer.
    """
    variance = case.fits["sources"]["components"]
    sizes = np.array(case.set["sizes"])
    share = sizes / sizes.sum()
    peak = float((share**2 * (variance["source"] + variance["Residual"] / sizes)).sum())
    assert 0.85 < np.sqrt(case.combination().parts.source / peak) < 1.45
