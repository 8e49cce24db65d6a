"""Test combinations of variants: intervals, p values corrected over their family, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, TypeVar

import numpy as np
from scipy import special

from tempo.comparison.statistics import student_t
from tempo.comparison.statistics.power import MIN_SEEDS, ExpectedNoise, seeds_needed
from tempo.comparison.statistics.quantities import Interval, TestSettings, Verdict, Word
from tempo.comparison.statistics.random_effects import SAME_RUNS, Combination, RandomEffects
from tempo.comparison.statistics.seed_source_matrix import Array
from tempo.core.t_interval import two_sided_quantile

Key = TypeVar("Key")

CLIPS_SHORT = (
    "more seeds alone would not settle it: the clips vary too much for so small a difference, or "
    "it lies at the edge of what counts as equivalent"
)
DRAWS = 4000
BOOTSTRAP_SEEDS = 10
"""The fewest seeds that are bootstrapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """A linear combination with its interval and its own p values; None with a single seed."""

    __test__: ClassVar[bool] = False
    combination: Combination
    interval: Interval
    seeds: int
    p: float | None = None
    p_equal: float | None = None
    noise: ExpectedNoise | None = None


def run_test(
    model: RandomEffects, combination: Combination, settings: TestSettings, seeds: int | None = None
) -> TestResult:
    """Return interval and p values of one combination, bootstrapped where there are seeds enough.

    `seeds`: how many seeds the combination is of, where they are not paired.
    """
    count = len(combination.seeds) if seeds is None else seeds
    noise = _noise(model, combination, count)
    if noise is None:
        interval = Interval.of_one_seed(combination.value, settings.level)
        return TestResult(combination=combination, interval=interval, seeds=count)
    enough = combination.paired is not None and len(combination.seeds) >= BOOTSTRAP_SEEDS
    spread = model.matrix.samples_clips and combination.parts.variance > 0
    by = _by_bootstrap if enough and spread else _by_t
    interval, p, p_equal = by(model, combination, settings)
    return TestResult(
        combination=combination, interval=interval, p=p, p_equal=p_equal, seeds=count, noise=noise
    )


def _noise(model: RandomEffects, combination: Combination, seeds: int) -> ExpectedNoise | None:
    parts = combination.parts
    if not parts.seed_df or parts.seed != parts.seed:
        return None
    return ExpectedNoise(
        seed=parts.seed * seeds,
        source=max(parts.source - parts.both, 0.0),
        both=parts.both * seeds,
        source_df=parts.source_df if model.matrix.samples_clips else float("inf"),
        variants=max(model.variants, 2) if combination.components.pooled else 2,
    )


def _by_t(
    model: RandomEffects, combination: Combination, settings: TestSettings
) -> tuple[Interval, float, float | None]:
    parts, value, delta = combination.parts, combination.value, settings.delta
    df = parts.df if parts.variance > 0 else parts.seed_df
    scope = "seeds and sources crossed" if model.matrix.samples_clips else "seeds; these clips only"
    method = f"random effects ({scope}), Satterthwaite t"
    interval = Interval.of_t(value, parts.se, df, level=settings.level, method=method)
    equal = None if delta is None else student_t.equivalence(value, parts.se, df, delta)
    return interval, student_t.two_sided(value, parts.se, df), equal


def _by_bootstrap(
    model: RandomEffects, combination: Combination, settings: TestSettings
) -> tuple[Interval, float, float | None]:
    assert combination.paired is not None
    df = combination.parts.df
    bootstrap = crossed_bootstrap(combination.paired, model.matrix.weights, df)
    low, high = bootstrap.interval(settings.level)
    interval = Interval(
        value=combination.value,
        low=low,
        high=high,
        level=settings.level,
        se=bootstrap.se,
        df=df,
        method="crossed bootstrap (seeds and sources), expanded percentiles",
    )
    equal = None if settings.delta is None else bootstrap.equivalence(settings.delta)
    return interval, bootstrap.two_sided(), equal


@dataclass(frozen=True, slots=True)
class AdjustedResult:
    """A hypothesis judged within its family; `test` is None where nothing could be tested."""

    test: TestResult | None
    p_adjusted: float | None
    verdict: Verdict

    @property
    def interval(self) -> Interval | None:
        return self.test.interval if self.test else None

    @property
    def p(self) -> float | None:
        """p before the correction."""
        return self.test.p if self.test else None


def holm_family(
    tested: Mapping[Key, TestResult | Verdict], settings: TestSettings
) -> dict[Key, AdjustedResult]:
    """Correct p values over the hypotheses that could be settled (Holm), then judge each.

    Those with too few seeds are no hypotheses: nothing can be claimed of them, so they cost the
    others nothing; a verdict stands for what could not be tested, and stays. Differences and
    equivalences are two families, each held at `alpha`.
    """
    results = {key: each for key, each in tested.items() if isinstance(each, TestResult)}
    members = {
        key: each for key, each in results.items() if each.p is not None and each.seeds >= MIN_SEEDS
    }
    p = _holm({key: each.p or 0.0 for key, each in members.items()})
    equal: dict[Key, float] = {}
    if settings.delta is not None:
        equal = _holm({key: each.p_equal or 0.0 for key, each in members.items()})
    size = sum(each.p is not None for each in results.values())
    judged: dict[Key, AdjustedResult] = {}
    for key, each in tested.items():
        if isinstance(each, Verdict):
            judged[key] = AdjustedResult(None, None, each)
        else:
            verdict = _judge(each, p.get(key), equal.get(key), settings, size)
            judged[key] = AdjustedResult(each, p.get(key), verdict)
    return judged


def _holm(p: Mapping[Key, float]) -> dict[Key, float]:
    return dict(zip(p, student_t.holm(list(p.values())), strict=True))


def _judge(
    test: TestResult, p: float | None, equal: float | None, settings: TestSettings, size: int
) -> Verdict:
    """Judge by adjusted p, equivalence first: a real difference may be too small to matter."""
    if test.combination.components.test == SAME_RUNS:
        return Verdict(word=Word.EQUIVALENT, reason="the very same runs: nothing differs")
    value, info, alpha, delta = test.interval.value, settings.info, settings.alpha, settings.delta
    p = 1.0 if p is None else p
    amount = f"{value:+.{info.digits + 1}f} {info.unit}".strip()
    said = f"{amount}, adjusted p = {'< 0.001' if p < 0.001 else f'{p:.2g}'}"
    if test.seeds < MIN_SEEDS:
        return _inconclusive(test, said, settings, size)
    if equal is not None and equal <= alpha and delta is not None:
        within = f"{delta:g} {info.unit}".strip()
        real = "; the difference is real, but smaller than that" if p <= alpha else ""
        return Verdict(word=Word.EQUIVALENT, reason=f"within {within} either way{real}")
    if p <= alpha:
        word = Word.BETTER if value * settings.sign > 0 else Word.WORSE
        return Verdict(word=word, reason=said)
    return _inconclusive(test, said, settings, size)


def _inconclusive(test: TestResult, said: str, settings: TestSettings, size: int) -> Verdict:
    """Return what an open case needs: more seeds, where those would settle it."""
    needed, few = _needed(test, settings, size), test.seeds < MIN_SEEDS
    if few:
        plural = "seed" if test.seeds == 1 else "seeds"
        said = f"{test.seeds} paired {plural} cannot settle a difference; at least {MIN_SEEDS} can"
    if needed is None:
        joint = ", and" if few else ";"
        return Verdict(word=Word.INCONCLUSIVE, reason=f"{said}{joint} {CLIPS_SHORT}")
    more = max(needed - test.seeds, MIN_SEEDS - test.seeds, 1)
    wanted = f"needs about {more} more {'seeds' if more > 1 else 'seed'}"
    said += f"; about {more} more would probably do" if few else f"; {wanted}"
    return Verdict(word=Word.INCONCLUSIVE, reason=said, more_seeds=more)


def _needed(test: TestResult, settings: TestSettings, size: int) -> int | None:
    """Return how many seeds would probably settle the case, were its difference the true one."""
    if test.noise is None:
        return MIN_SEEDS
    return seeds_needed(
        test.noise,
        test.interval.value,
        delta=settings.delta,
        alpha=settings.alpha / max(size, 1),
        power=settings.power,
    )


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Draws of an estimate from `seeds` seeds, whose scale is expanded at `df`."""

    value: float
    draws: Array
    seeds: int
    df: float

    @property
    def _widening(self) -> float:
        return float(np.sqrt(self.seeds / (self.seeds - 1)))

    @property
    def se(self) -> float:
        return float(self.draws.std(ddof=1)) * self._widening

    def interval(self, level: float) -> tuple[float, float]:
        z = self._widening * two_sided_quantile(level, self.df)
        low, high = special.ndtr(-z), special.ndtr(z)
        found = np.quantile(self.draws, [low, high])
        return float(found[0]), float(found[1])

    def below(self, bound: float) -> float:
        """Return p of the hypothesis that the estimate's mean is at least `bound`.

        The share of draws above `bound` as a z, which is put on the expanded scale; beyond the
        reach of the draws, the distance in standard errors.
        """
        share = float((self.draws >= bound).mean())
        if not 5 / len(self.draws) <= share <= 1 - 5 / len(self.draws):
            if self.se <= 0:
                return 0.0 if self.value < bound else 1.0
            return student_t.tail((bound - self.value) / self.se, self.df)
        return student_t.tail(-float(special.ndtri(share)) / self._widening, self.df)

    def two_sided(self) -> float:
        """Return p of no difference."""
        down = self.below(0.0)
        return min(2 * min(down, 1 - down), 1.0)

    def equivalence(self, delta: float) -> float:
        """Return p of two one-sided tests that the estimate's mean is within `delta` of zero."""
        return max(self.below(delta), 1 - self.below(-delta))


@lru_cache(maxsize=8)
def _counts(units: int, stream: int) -> Array:
    """Return (draws, units): how often each unit is drawn, divided by the number of units."""
    rng = np.random.default_rng((units, stream))
    picks = rng.multinomial(units, np.full(units, 1 / units), size=DRAWS)
    return np.asarray(picks, dtype=float) / units


def crossed_bootstrap(paired: Array, weights: Array, df: float) -> Bootstrap:
    """Resample rows (seeds) and columns (sources) of `paired`, the sums per source (Owen 2007).

    The percentile interval is expanded (Hesterberg 2015): few seeds make it too narrow, as it uses
    the normal quantile and divides by n. Used from 10 seeds on; below that it covers too little.
    `weights` are the sources' shares of clips: a draw's mean is over the clips it holds.
    """
    seeds, sources = paired.shape
    per_source = _counts(seeds, 0) @ paired
    drawn = _counts(sources, 1)
    total = (per_source * drawn).sum(axis=1) / (drawn @ weights)
    return Bootstrap(float(paired.mean(axis=0).sum()), np.asarray(total), seeds, df)
