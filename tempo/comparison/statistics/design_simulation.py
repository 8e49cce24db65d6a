"""Simulate studies of a design, to say before the first run how many seeds they will take.

Simulated studies go through the tests that real ones do: moderated variances, looks that spend the
error rate, Holm's procedure over the contrasts, two one-sided tests, and the rule that stops what
cannot become decided. All studies of a simulation are arrays (studies, contrasts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from tempo.comparison.statistics.group_sequential import Looks
from tempo.comparison.statistics.power import ExpectedNoise
from tempo.comparison.statistics.predictive_chance import FUTILE, OpenContrasts, chances
from tempo.comparison.statistics.seed_source_matrix import Mask
from tempo.comparison.statistics.student_t import Array, satterthwaite
from tempo.comparison.statistics.variance_moderation import moderate
from tempo.core.seed_stages import SeedStages
from tempo.core.verdict_rule import Spending

CHANCE_DRAWS = 60
"""Draws of the chance to become decided in each simulated study: its mean is enough here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingRule:
    """What a contrast is judged by; see `verdict:` of a spec."""

    delta: float | None = None
    alpha: float = 0.05
    spending: Spending = "obrien_fleming"


@dataclass(frozen=True, slots=True)
class SimulatedStudies:
    """What became of the simulated studies, each field (studies, contrasts).

    `different` and `equivalent` say what was decided, `direction` the sign that was found, `seeds`
    how many pairs were trained; `missed` whether the interval at the end leaves out the truth.
    """

    different: Mask
    equivalent: Mask
    direction: Array
    seeds: Array
    missed: Mask

    @property
    def decided(self) -> Mask:
        return np.asarray(self.different | self.equivalent)

    @property
    def runs(self) -> Array:
        """(studies,) trained runs: those of all variants, and the control's most seeds."""
        return np.asarray(self.seeds.sum(axis=1) + self.seeds.max(axis=1))


def simulate_design(
    noise: ExpectedNoise,
    differences: Sequence[float],
    stages: SeedStages,
    rule: JudgingRule,
    *,
    studies: int = 400,
    stream: int = 0,
    spread: Sequence[float] | None = None,
    stop_futile: bool = True,
) -> SimulatedStudies:
    """Return what becomes of `studies` studies whose contrasts have the true `differences`.

    A fixed design has one look: the `first` of its stages is the `last`. `spread` multiplies the
    seed noise of the control and of each variant (default: all alike).
    """
    rng = np.random.default_rng((23, stream))
    state = _State.drawn(noise, differences, stages, studies, rng, spread)
    past: tuple[int, ...] = ()
    for seeds in stages.counts:
        looks = Looks(now=seeds, planned=stages.last, past=past, spending=rule.spending)
        state.look(looks, rule, rng, stop_futile=stop_futile)
        past = (*past, seeds)
    return SimulatedStudies(
        state.different, state.equivalent, state.direction, state.seeds, state.missed
    )


class _State:
    """The studies between two looks. Seeds are trained only of contrasts that are open."""

    def __init__(self, pairs: Array, source: Array, truth: Array, noise: ExpectedNoise) -> None:
        self._pairs, self._source, self._truth, self._noise = pairs, source, truth, noise
        shape = pairs.shape[:2]
        self.open: Mask = np.ones(shape, dtype=bool)
        self.different: Mask = np.zeros(shape, dtype=bool)
        self.equivalent: Mask = np.zeros(shape, dtype=bool)
        self.missed: Mask = np.zeros(shape, dtype=bool)
        self.direction, self.seeds = np.zeros(shape), np.zeros(shape, dtype=int)
        self._p, self._p_equal = np.ones(shape), np.ones(shape)

    @classmethod
    def drawn(
        cls,
        noise: ExpectedNoise,
        differences: Sequence[float],
        stages: SeedStages,
        studies: int,
        rng: np.random.Generator,
        spread: Sequence[float] | None,
    ) -> _State:
        count, truth = len(differences), np.array(differences, dtype=float)
        scale = np.ones(count + 1) if spread is None else np.array(spread, dtype=float)
        runs = rng.normal(size=(studies, count + 1, stages.last)) * scale[:, None]
        runs *= np.sqrt(noise.seed / 2)
        clips = rng.normal(size=(studies, count + 1)) * np.sqrt(noise.source / 2)
        moved = runs + clips[:, :, None]
        pairs = moved[:, 1:] - moved[:, :1] + truth[:, None]
        source = np.ones((studies, count))
        if np.isfinite(noise.source_df):
            source = rng.chisquare(noise.source_df, (studies, count)) / noise.source_df
        return cls(pairs, source, truth, noise)

    def look(
        self, looks: Looks, rule: JudgingRule, rng: np.random.Generator, *, stop_futile: bool
    ) -> None:
        """Train the open contrasts up to the look's seeds, and judge."""
        self.seeds = np.where(self.open, looks.now, self.seeds)
        there = np.arange(self._pairs.shape[2]) < self.seeds[:, :, None]
        seen = np.where(there, self._pairs, np.nan)
        value = np.where(there, self._pairs, 0.0).sum(axis=2) / self.seeds
        found, noise = moderate(seen), self._noise
        seed, both = found.variance / self.seeds, noise.both / self.seeds
        source = (noise.source + both) * self._source
        variance = seed + source - np.minimum(both, np.minimum(seed, source))
        df = satterthwaite(seed, found.df, source, noise.source_df)
        se = np.sqrt(variance)
        with np.errstate(invalid="ignore", divide="ignore"):
            p = 2 * special.stdtr(df, -np.abs(value) / se)
        self._p = np.where(self.open, looks.sequential_p(p), self._p)
        if rule.delta is not None:
            inside = special.stdtr(df, -(rule.delta - np.abs(value)) / se)
            found_equal = looks.sequential_p_one_sided(inside)
            self._p_equal = np.where(self.open, found_equal, self._p_equal)
        local = self._reject(rule, value)
        self._miss(looks, local, value - self._truth, df, se)
        self.open &= ~(self.different | self.equivalent)
        if stop_futile and looks.now < looks.planned:
            contrasts = OpenContrasts(
                value, found.variance, found.df, np.maximum(source - both, 0.0), noise.source_df
            )
            chance = chances(contrasts, looks, local, rule.delta, CHANCE_DRAWS, rng)
            self.open &= chance.mean(axis=0) >= FUTILE

    def _reject(self, rule: JudgingRule, value: Array) -> Array:
        """Reject by Holm's procedure what is not rejected yet; returns each one's error rate."""
        before = self.different.copy()
        equal, _ = _holm(self._p_equal, self.equivalent, rule.alpha)
        different, local = _holm(self._p, self.different, rule.alpha)
        settled = self.different | self.equivalent
        self.equivalent |= equal & ~settled
        self.different |= different & ~settled & ~self.equivalent
        new = self.different & ~before
        self.direction = np.where(new, np.sign(value), self.direction)
        return local

    def _miss(self, looks: Looks, local: Array, error: Array, df: Array, se: Array) -> None:
        """Note whether the interval of this look, which stands where a contrast stops, misses."""
        half = special.stdtrit(df, 1 - looks.level(local) / 2) * se
        self.missed = np.where(self.open, np.abs(error) > half, self.missed)


def _holm(p: Array, rejected: Mask, alpha: float) -> tuple[Mask, Array]:
    """Return what Holm's procedure rejects of each row, and the error rate it tested each at.

    What is rejected already is no hypothesis any more.
    """
    values = np.where(rejected, np.inf, p)
    order = np.argsort(values, axis=1, kind="stable")
    left = (~rejected).sum(axis=1, keepdims=True)
    place = np.arange(p.shape[1])
    rates = alpha / np.maximum(left - place, 1)
    passed = np.logical_and.accumulate(np.take_along_axis(values, order, axis=1) <= rates, axis=1)
    count = passed.sum(axis=1, keepdims=True)
    sorted_rates = alpha / np.maximum(left - np.minimum(place, count), 1)
    found, local = np.zeros_like(rejected), np.empty_like(p)
    np.put_along_axis(found, order, passed, axis=1)
    np.put_along_axis(local, order, sorted_rates, axis=1)
    return found, local
