"""What the importance of a factor says, on objectives whose truth is known."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial
from scipy.stats import binom

from tempo.records.search_record import Importance, ObjectiveInfo
from tempo.tuning.backend import importance
from tempo.tuning.backend.importance import importances

SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "clip": FloatDistribution(0.0, 1.0),
    "kind": CategoricalDistribution(["x", "y", "z"]),
    "width": IntDistribution(0, 8),
}
HIGHER = ObjectiveInfo(name="psnr", unit="dB", better="higher", digits=2)
LOWER = ObjectiveInfo(name="step_time", unit="ms", better="lower", digits=1)
NOISE = 0.3


@pytest.fixture(autouse=True)
def _as_in_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """The full number of permutations; intervals are not looked at here."""
    monkeypatch.setattr(importance, "PERMUTATIONS", 39)
    monkeypatch.setattr(importance, "RESAMPLES", 1)


def small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what does not depend on the size of a forest."""
    monkeypatch.setattr(importance, "TREES", 4)
    monkeypatch.setattr(importance, "TREES_AGAIN", 4)


def points(count: int, rng: np.random.Generator) -> list[dict[str, str | int | float]]:
    return [
        {
            "lr": float(10 ** rng.uniform(-5, -1)),
            "clip": float(rng.uniform()),
            "kind": str(rng.choice(["x", "y", "z"])),
            "width": int(rng.integers(0, 9)),
        }
        for _ in range(count)
    ]


def finished(params: dict[str, str | int | float], value: float) -> FrozenTrial:
    return create_trial(
        state=TrialState.COMPLETE, params=params, distributions=SPACE, values=[value]
    )


def of(found: tuple[Importance, ...], method: str) -> dict[str, Importance]:
    return {each.parameter: each for each in found if each.evaluator == method}


@pytest.mark.parametrize("info", [HIGHER, LOWER], ids=["maximised", "minimised"])
def test_of_four_factors_the_one_that_matters_is_above_noise(info: ObjectiveInfo) -> None:
    rng, sign = np.random.default_rng(4), 1.0 if info is HIGHER else -1.0
    trials = [
        finished(p, sign * (-((np.log10(float(p["lr"])) + 3) ** 2) + rng.normal(0, NOISE)))
        for p in points(40, rng)
    ]
    found = importances(trials, [info], seed=0)
    assert {each.objective for each in found} == {info.name}
    for method in ("fanova", "ped_anova"):
        above = {name for name, each in of(found, method).items() if each.above_noise}
        assert above == {"lr"}, method
    assert of(found, "fanova")["lr"].share > 0.5


def lopsided(params: dict[str, str | int | float]) -> float:
    """Only a high clip makes a trial good; only a low width makes one bad."""
    return float(float(params["clip"]) > 0.8) - float(int(params["width"]) == 0)


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_what_sets_the_better_trials_apart_follows_the_direction(
    better: Literal["higher", "lower"], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_forests(monkeypatch)
    rng, sign = np.random.default_rng(5), 1.0 if better == "higher" else -1.0
    info = HIGHER if better == "higher" else LOWER
    trials = [finished(p, sign * (lopsided(p) + rng.normal(0, 0.01))) for p in points(100, rng)]
    shares = of(importances(trials, [info], seed=0), "ped_anova")
    assert shares["clip"].above_noise and not shares["width"].above_noise
    assert shares["clip"].share > 5 * shares["width"].share


def test_minimising_a_loss_equals_maximising_its_opposite(monkeypatch: pytest.MonkeyPatch) -> None:
    small_forests(monkeypatch)
    rng = np.random.default_rng(6)
    made = [(p, float(rng.normal())) for p in points(30, rng)]
    up = importances([finished(p, v) for p, v in made], [HIGHER], seed=0)
    down = importances([finished(p, -v) for p, v in made], [LOWER], seed=0)
    shares = {each.parameter: each.share for each in of(down, "ped_anova").values()}
    assert shares == {name: each.share for name, each in of(up, "ped_anova").items()}


@pytest.mark.slow
def test_pure_noise_is_above_its_level_one_time_in_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    small_forests(monkeypatch)
    rng, searches = np.random.default_rng(7), 12
    above = {"fanova": 0, "ped_anova": 0}
    for seed in range(searches):
        trials = [finished(p, float(rng.normal())) for p in points(24, rng)]
        for each in importances(trials, [HIGHER], seed=seed):
            assert each.noise is not None
            above[each.evaluator] += bool(each.above_noise)
    most = binom.ppf(0.99, searches * len(SPACE), 0.05)
    assert max(above.values()) <= most, above


def test_shares_say_what_they_are_shares_of(monkeypatch: pytest.MonkeyPatch) -> None:
    small_forests(monkeypatch)
    rng = np.random.default_rng(8)
    found = importances(
        [finished(p, float(rng.normal())) for p in points(20, rng)], [LOWER], seed=0
    )
    assert {(each.evaluator, each.share_of) for each in found} == {
        ("fanova", "the variance of a forest's prediction over the space"),
        ("ped_anova", "the variance of being among the best 5 of 20 trials"),
    }
    for method in ("fanova", "ped_anova"):
        assert sum(each.share for each in of(found, method).values()) != pytest.approx(1.0)
