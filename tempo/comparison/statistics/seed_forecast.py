"""Forecast how many seeds a design takes, and the chance to decide, at stated differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tempo.comparison.statistics.design_simulation import JudgingRule, simulate_design
from tempo.comparison.statistics.power import ExpectedNoise
from tempo.core.seed_stages import SeedStages

STUDIES = 200
"""Simulated studies for each difference: a chance of 80 % is known to 3 points."""

MOST_CONTRASTS = 12
"""The most contrasts that are simulated; with more, the forecast is of this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedForecast:
    """What becomes of a study all of whose contrasts have one true `difference`.

    `different` and `equivalent` are the chances of a contrast to be called better or worse, and
    equivalent; `seeds` is the mean number of seeds of a variant, `share` the trained runs as a
    share of the most that there may be.
    """

    difference: float
    different: float
    equivalent: float
    seeds: float
    share: float

    @property
    def decided(self) -> float:
        """The chance of a contrast to become decided."""
        return self.different + self.equivalent


def forecast_seeds(
    noise: ExpectedNoise,
    contrasts: int,
    stages: SeedStages,
    rule: JudgingRule,
    differences: Sequence[float],
) -> tuple[SeedForecast, ...]:
    """Return the forecast at each of `differences`, in the metric's unit.

    `noise` is of one paired difference. Deterministic: the simulated studies come from a fixed
    stream of random numbers.
    """
    count = min(contrasts, MOST_CONTRASTS)
    return tuple(_forecast(noise, count, stages, rule, each) for each in differences)


def _forecast(
    noise: ExpectedNoise, count: int, stages: SeedStages, rule: JudgingRule, difference: float
) -> SeedForecast:
    found = simulate_design(noise, [difference] * count, stages, rule, studies=STUDIES)
    most = stages.last * (count + 1)
    return SeedForecast(
        difference=difference,
        different=float(found.different.mean()),
        equivalent=float(found.equivalent.mean()),
        seeds=float(found.seeds.mean()),
        share=float(found.runs.mean() / most),
    )
