"""Test combinations of variants: intervals, p values corrected over their family, and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, TypeVar

from tempo.comparison.statistics import student_t
from tempo.comparison.statistics.crossed_bootstrap import MIN_SEEDS as BOOTSTRAP_SEEDS
from tempo.comparison.statistics.crossed_bootstrap import crossed_bootstrap
from tempo.comparison.statistics.power import MIN_SEEDS, ExpectedNoise, seeds_needed
from tempo.comparison.statistics.quantities import Interval, TestSettings, Verdict, Word
from tempo.comparison.statistics.random_effects import SAME_RUNS, Combination, RandomEffects

Key = TypeVar("Key")


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
    model: RandomEffects,
    combination: Combination,
    settings: TestSettings,
    seeds: int | None = None,
) -> TestResult:
    """Return interval and p values of one combination, bootstrapped where there are seeds enough.

    `seeds`: how many seeds the combination is of, where they are not paired.
    """
    count = len(combination.seeds) if seeds is None else seeds
    noise = _noise(model, combination, count)
    if noise is None:
        interval = Interval.of_one_seed(combination.value, settings.level)
        return TestResult(combination=combination, interval=interval, seeds=count)
    by = _by_bootstrap if _can_bootstrap(model, combination) else _by_t
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


def _can_bootstrap(model: RandomEffects, combination: Combination) -> bool:
    enough = combination.paired is not None and len(combination.seeds) >= BOOTSTRAP_SEEDS
    return enough and model.matrix.samples_clips and combination.parts.variance > 0


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
        """The interval of the combination, None where nothing could be tested."""
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
            verdict = _verdict(each, p.get(key), equal.get(key), settings, size)
            judged[key] = AdjustedResult(each, p.get(key), verdict)
    return judged


def _holm(p: Mapping[Key, float]) -> dict[Key, float]:
    return dict(zip(p, student_t.holm(list(p.values())), strict=True))


def _verdict(
    test: TestResult, p: float | None, equal: float | None, settings: TestSettings, size: int
) -> Verdict:
    return judge(
        Case(
            value=test.interval.value,
            unit=settings.info.unit,
            digits=settings.info.digits + 1,
            p=1.0 if p is None else p,
            p_equal=equal,
            better=settings.sign,
            delta=settings.delta,
            alpha=settings.alpha,
            seeds=test.seeds,
            needed=partial(_needed, test, settings, size),
            same_runs=test.combination.components.test == SAME_RUNS,
        )
    )


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


CLIPS_SHORT = (
    "more seeds alone would not settle it: the clips vary too much for so small a difference, or "
    "it lies at the edge of what counts as equivalent"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A difference with its tests. `better` is +1 when higher is better, -1 when lower is.

    `p` and `p_equal` are adjusted for the family; `seeds` could be paired, and `needed()` seeds
    would probably settle the case.
    """

    value: float
    unit: str
    digits: int
    p: float
    p_equal: float | None
    better: int
    delta: float | None
    alpha: float
    seeds: int
    needed: Callable[[], int | None]
    same_runs: bool = False

    @property
    def amount(self) -> str:
        """The difference with its sign and unit."""
        return _with_unit(f"{self.value:+.{self.digits}f}", self.unit)


def judge(case: Case) -> Verdict:
    """Return the verdict on a contrast, and why.

    Equivalence comes first: a difference can be real and still too small to matter.
    """
    if case.same_runs:
        return Verdict(word=Word.EQUIVALENT, reason="the very same runs: nothing differs")
    if case.seeds < MIN_SEEDS:
        return _too_few(case)
    if case.p_equal is not None and case.p_equal <= case.alpha and case.delta is not None:
        within = _with_unit(f"{case.delta:g}", case.unit)
        real = "; the difference is real, but smaller than that" if case.p <= case.alpha else ""
        return Verdict(word=Word.EQUIVALENT, reason=f"within {within} either way{real}")
    if case.p <= case.alpha:
        word = Word.BETTER if case.value * case.better > 0 else Word.WORSE
        return Verdict(word=word, reason=f"{case.amount}, adjusted p = {_p(case.p)}")
    return _open(case)


def _too_few(case: Case) -> Verdict:
    plural = "seed" if case.seeds == 1 else "seeds"
    reason = f"{case.seeds} paired {plural} cannot settle a difference; at least {MIN_SEEDS} can"
    needed = case.needed()
    if needed is None:
        return Verdict(word=Word.INCONCLUSIVE, reason=f"{reason}, and {CLIPS_SHORT}")
    more = max(needed, MIN_SEEDS) - case.seeds
    reason += f"; about {more} more would probably do"
    return Verdict(word=Word.INCONCLUSIVE, reason=reason, more_seeds=more)


def _open(case: Case) -> Verdict:
    needed = case.needed()
    said = f"{case.amount}, adjusted p = {_p(case.p)}"
    if needed is None:
        return Verdict(word=Word.INCONCLUSIVE, reason=f"{said}; {CLIPS_SHORT}")
    more = max(needed - case.seeds, 1)
    reason = f"{said}; needs about {more} more {'seeds' if more > 1 else 'seed'}"
    return Verdict(word=Word.INCONCLUSIVE, reason=reason, more_seeds=more)


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text
