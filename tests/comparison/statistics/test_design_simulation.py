"""Simulated designs: the seeds they look at, what they stop, and agreement with stated power."""

import numpy as np
import pytest

from tempo.comparison.statistics.design_simulation import (
    JudgingRule,
    simulate_design,
)
from tempo.comparison.statistics.power import PowerFunction, detectable, expected_noise
from tempo.core.seed_stages import SeedStages
from tests.comparison.simulate import at_most

SEEDS = {"seed_sd": 0.1, "clip_sd": 0.05, "residual_sd": 0.1, "clips": 200}
CLIPS = {"seed_sd": 0.02, "clip_sd": 0.5, "residual_sd": 0.3, "clips": 200, "sources": 20,
         "source_sd": 0.1}  # fmt: skip
LOOKS = SeedStages(first=3, last=12)


def test_looks_end_at_the_last_seed() -> None:
    assert SeedStages(first=3, last=6).counts == (3, 4, 5, 6)
    assert SeedStages(first=3, last=8, step=2).counts == (3, 5, 7, 8)
    assert SeedStages(first=5, last=5).counts == (5,)


@pytest.mark.parametrize("options", [SEEDS, CLIPS], ids=["seed noise", "clip noise"])
def test_a_fixed_design_has_the_power_that_is_stated(options: dict[str, float]) -> None:
    noise = expected_noise(**options)
    size = detectable(noise, 6)
    found = simulate_design(noise, [size], SeedStages(first=6, last=6), JudgingRule(), studies=4000)
    stated = PowerFunction(noise, 6, 0.05).power(size)
    assert stated == pytest.approx(0.8, abs=1e-6)
    assert float(found.different.mean()) == pytest.approx(stated, abs=0.02)
    assert (found.seeds == 6).all()
    assert (found.runs == 12).all()


@pytest.mark.parametrize("options", [SEEDS, CLIPS], ids=["seed noise", "clip noise"])
@pytest.mark.parametrize("contrasts", [1, 5])
def test_looks_at_every_seed_keep_false_verdicts_at_five_percent(
    options: dict[str, float], contrasts: int
) -> None:
    noise, studies = expected_noise(**options, variants=contrasts + 1), 1200
    rule = JudgingRule(delta=0.15)
    none = simulate_design(noise, [0.0] * contrasts, LOOKS, rule, studies=studies)
    assert at_most(0.05, int(none.different.any(axis=1).sum()), studies)
    assert none.missed.mean() < 0.06
    edge = simulate_design(noise, [0.15] * contrasts, LOOKS, rule, studies=studies)
    assert at_most(0.05, int(edge.equivalent.any(axis=1).sum()), studies)
    assert edge.missed.mean() < 0.06


def test_a_noisy_control_does_not_make_looks_wrong() -> None:
    noise, studies = expected_noise(**SEEDS, variants=6), 1200
    found = simulate_design(
        noise, [0.0] * 5, LOOKS, JudgingRule(), studies=studies, spread=(3, 1, 1, 1, 1, 1)
    )
    assert at_most(0.05, int(found.different.any(axis=1).sum()), studies)


def test_what_is_decided_trains_no_further() -> None:
    noise = expected_noise(**SEEDS, variants=4)
    found = simulate_design(noise, [2.0, 0.0, 0.1], LOOKS, JudgingRule(delta=0.3), studies=300)
    large, equal, between = found.seeds.mean(axis=0)
    assert found.different[:, 0].mean() > 0.99
    assert found.equivalent[:, 1].mean() > 0.9
    assert large < 5
    assert equal < between
    assert (found.direction[found.different[:, 0], 0] == 1).all()
    assert (found.runs <= 48).all()


def test_what_cannot_become_decided_stops_only_where_that_is_asked() -> None:
    noise = expected_noise(**CLIPS)
    stopped = simulate_design(noise, [0.0], LOOKS, JudgingRule(), studies=300)
    carried = simulate_design(noise, [0.0], LOOKS, JudgingRule(), studies=300, stop_futile=False)
    assert stopped.seeds.mean() < 6
    assert (carried.seeds[~carried.decided] == 12).all()
    assert stopped.different.sum() <= carried.different.sum()


def test_the_same_stream_gives_the_same_studies() -> None:
    noise = expected_noise(**SEEDS)
    one, two, other = (
        simulate_design(noise, [0.1], LOOKS, JudgingRule(), studies=50, stream=stream)
        for stream in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.seeds, two.seeds)
    assert (one.seeds != other.seeds).any()
