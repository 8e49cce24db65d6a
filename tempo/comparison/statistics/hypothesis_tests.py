"""Test combinations of variants: intervals, p values corrected over their family, and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from tempo.comparison.statistics import student_t
from tempo.comparison.statistics.group_sequential import Looks
from tempo.comparison.statistics.power import MIN_SEEDS
from tempo.comparison.statistics.predictive_chance import FUTILE, chance_to_decide
from tempo.comparison.statistics.quantities import (
    Chance,
    Decision,
    Interval,
    TestSettings,
    Verdict,
    Word,
)
from tempo.comparison.statistics.random_effects import SAME_RUNS, Combination, RandomEffects

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """A linear combination with its interval and its own p values; None with a single seed.

    `interval` is of this combination alone, at one look. `looks` say which look it is.
    """

    __test__: ClassVar[bool] = False
    combination: Combination
    interval: Interval
    seeds: int
    looks: Looks
    p: float | None = None
    p_equal: float | None = None

    @property
    def testable(self) -> bool:
        """Whether the seeds can settle anything: there are enough, and they differ."""
        return self.p is not None and self.seeds >= MIN_SEEDS and not self.combination.unvaried


def run_test(
    model: RandomEffects,
    combination: Combination,
    settings: TestSettings,
    seeds: int | None = None,
    looks: Looks | None = None,
) -> TestResult:
    """Return interval and p values of one combination.

    `seeds`: how many seeds the combination is of, where they are not paired; `looks`: which look at
    how many planned seeds this is (default: the one look of a design that is done).
    """
    count = len(combination.seeds) if seeds is None else seeds
    looks = looks or Looks(now=max(count, 1), planned=max(count, 1))
    parts, value = combination.parts, combination.value
    if not parts.seed_df or parts.seed != parts.seed:
        interval = Interval.of_one_seed(value, settings.level)
        return TestResult(combination=combination, interval=interval, seeds=count, looks=looks)
    df, delta = _degrees(combination), settings.delta
    scope = "seeds and sources crossed" if model.matrix.samples_clips else "seeds; these clips only"
    method = f"random effects ({scope}), Satterthwaite t"
    return TestResult(
        combination=combination,
        interval=Interval.of_t(value, parts.se, df, level=settings.level, method=method),
        p=student_t.two_sided(value, parts.se, df),
        p_equal=None if delta is None else student_t.equivalence(value, parts.se, df, delta),
        seeds=count,
        looks=looks,
    )


def _degrees(combination: Combination) -> float:
    parts = combination.parts
    return parts.df if parts.variance > 0 else parts.seed_df


@dataclass(frozen=True, slots=True)
class AdjustedResult:
    """A hypothesis judged within its family; `test` is None where nothing could be tested.

    `interval` is at the level at which Holm's procedure tested the hypothesis: it leaves out zero
    exactly where the word is better or worse, and lies within delta where it is equivalent.
    """

    test: TestResult | None
    p_adjusted: float | None
    verdict: Verdict
    interval: Interval | None = None

    @property
    def p(self) -> float | None:
        """p before the correction."""
        return self.test.p if self.test else None


def holm_family(
    tested: Mapping[Key, TestResult | Verdict],
    settings: TestSettings,
    settled: Mapping[Key, Decision] | None = None,
    settings_of: Mapping[Key, TestSettings] | None = None,
) -> dict[Key, AdjustedResult]:
    """Correct p values over the hypotheses that could be settled (Holm), then judge each.

    Those with too few seeds are no hypotheses: nothing can be claimed of them, so they cost the
    others nothing; a verdict stands for what could not be tested, and stays. Differences and
    equivalences are two families, each held at `alpha` over all looks (see `group_sequential`).
    `settled` are decisions of earlier looks, which stand and leave their share of the error rate to
    the others; `settings_of` are settings of single hypotheses, where a family spans metrics.
    """
    settled, own = settled or {}, settings_of or {}
    results = {key: each for key, each in tested.items() if isinstance(each, TestResult)}
    members = {key: each for key, each in results.items() if each.testable}
    different = {k: e for k, e in members.items() if not _settled(settled, k, equal=False)}
    unequal = {k: e for k, e in members.items() if not _settled(settled, k, equal=True)}
    single = {k: float(e.looks.sequential_p(e.p or 0.0)) for k, e in different.items()}
    p = _holm(single)
    single_equal = {
        k: float(e.looks.sequential_p_one_sided(e.p_equal))
        for k, e in unequal.items()
        if e.p_equal is not None
    }
    equal = _holm(single_equal)
    alphas = _local_alphas(single, p, settings.alpha)
    equal_alphas = _local_alphas(single_equal, equal, settings.alpha)
    judged: dict[Key, AdjustedResult] = {}
    for key, each in tested.items():
        if isinstance(each, Verdict):
            judged[key] = AdjustedResult(None, None, each)
        elif key in settled:
            judged[key] = _standing(each, settled[key], own.get(key, settings))
        else:
            rule, alpha = own.get(key, settings), alphas.get(key, settings.alpha)
            interval = _at_level(each, rule, alpha)
            verdict = _judge(each, interval, p.get(key), equal.get(key), rule, alpha)
            if verdict.word is Word.EQUIVALENT and key in equal_alphas:
                interval = _of_equivalence(each, rule, equal_alphas[key])
            judged[key] = AdjustedResult(each, p.get(key), verdict, interval)
    return judged


def _settled(settled: Mapping[Key, Decision], key: Key, *, equal: bool) -> bool:
    """Return whether an earlier look rejected this hypothesis of a difference or of equality."""
    return key in settled and (settled[key].word is Word.EQUIVALENT) == equal


def _holm(p: Mapping[Key, float]) -> dict[Key, float]:
    return dict(zip(p, student_t.holm(list(p.values())), strict=True))


def _local_alphas(
    p: Mapping[Key, float], adjusted: Mapping[Key, float], alpha: float
) -> dict[Key, float]:
    """Return the share of `alpha` at which Holm's procedure tested each hypothesis last.

    In the order of the single p values: adjusted ones are often tied.
    """
    order = sorted(p, key=lambda key: p[key])
    size = len(order)
    rejected = sum(value <= alpha for value in adjusted.values())
    return {key: alpha / (size - min(place, rejected)) for place, key in enumerate(order)}


def _at_level(test: TestResult, settings: TestSettings, alpha: float) -> Interval:
    """Return the interval at this look's nominal level; Holm tested a difference at `alpha`."""
    looks = test.looks
    return _resized(test, settings, alpha if looks.spent else float(looks.level(alpha)))


def _of_equivalence(test: TestResult, settings: TestSettings, alpha: float) -> Interval:
    """Return the interval that two one-sided tests at `alpha` hold against delta."""
    return _resized(test, settings, 2 * float(test.looks.level_one_sided(alpha)))


def _resized(test: TestResult, settings: TestSettings, outside: float) -> Interval:
    """Return the interval that leaves the share `outside` to both sides, for a testable case."""
    found = test.interval
    if found.se is None or found.df is None or not test.testable:
        return found
    sized = Interval.of_t(found.value, found.se, found.df, level=1 - outside, method=found.method)
    return replace(sized, level=settings.level, single_level=1 - outside)


def _standing(test: TestResult, decision: Decision, settings: TestSettings) -> AdjustedResult:
    """Return the decision of an earlier look, with its own interval."""
    verdict = Verdict(
        word=decision.word,
        reason=f"decided at the look with {decision.seeds} seeds",
    )
    interval = replace(
        test.interval,
        value=decision.value,
        low=decision.low,
        high=decision.high,
        level=settings.level,
    )
    return AdjustedResult(test, decision.p_adjusted, verdict, interval)


def _judge(
    test: TestResult,
    interval: Interval,
    p: float | None,
    equal: float | None,
    settings: TestSettings,
    local: float,
) -> Verdict:
    """Judge by adjusted p, equivalence first: a real difference may be too small to matter."""
    if test.combination.components.test == SAME_RUNS:
        return Verdict(word=Word.EQUIVALENT, reason="the very same runs: nothing differs")
    value, info, alpha, delta = interval.value, settings.info, settings.alpha, settings.delta
    if test.combination.unvaried:
        names = " and ".join(test.combination.unvaried)
        said = f"the seed changes nothing in {names}: the runs are the same to the last bit"
        return Verdict(word=Word.INCONCLUSIVE, reason=f"{said}, so they are no replicates")
    if test.seeds < MIN_SEEDS:
        return Verdict(word=Word.INCONCLUSIVE, reason=f"fewer than {MIN_SEEDS} paired seeds")
    p = 1.0 if p is None else p
    amount = f"{value:+.{info.digits + 1}f} {info.unit}".strip()
    said = f"{amount}, adjusted p {'< 0.001' if p < 0.001 else f'= {p:.2g}'}"
    if equal is not None and equal <= alpha and delta is not None:
        within = f"{delta:g} {info.unit}".strip()
        real = "; the difference is real, but smaller than that" if p <= alpha else ""
        return Verdict(word=Word.EQUIVALENT, reason=f"within {within} either way{real}")
    if p <= alpha:
        word = Word.BETTER if value * settings.sign > 0 else Word.WORSE
        return Verdict(word=word, reason=said)
    return _inconclusive(test, said, settings, local)


def _inconclusive(test: TestResult, said: str, settings: TestSettings, alpha: float) -> Verdict:
    """Return what an open case may still come to by the planned seeds, and what limits it."""
    looks = test.looks
    if looks.spent:
        said = f"{said}, exploratory: the planned look at {looks.planned} seeds used the error rate"
    if looks.now >= looks.planned:
        return Verdict(word=Word.INCONCLUSIVE, reason=f"{said}; {_limit(test)}")
    chance = chance_to_decide(test.combination, looks, alpha, settings.delta)
    futile = chance is not None and chance.mean < FUTILE
    return Verdict(
        word=Word.INCONCLUSIVE,
        reason=f"{said}; {_prospect(chance, looks)}",
        chance=chance,
        futile=futile,
    )


def _prospect(chance: Chance | None, looks: Looks) -> str:
    if chance is None:
        return f"{looks.now} of {looks.planned} seeds"
    return (
        f"after {looks.now} of {looks.planned} seeds the chance to be decided by the last is "
        f"{chance.mean:.0%} ({chance.low:.0%} to {chance.high:.0%})"
    )


def _limit(test: TestResult) -> str:
    """Return whether seeds or clips make most of the uncertainty."""
    parts = test.combination.parts
    clips = max(parts.source - parts.both, 0.0)
    share = clips / (clips + parts.seed) if clips + parts.seed > 0 else 0.0
    if share > 0.5:
        return f"{share:.0%} of its uncertainty is the draw of the clips: more clips would help"
    return f"{1 - share:.0%} of its uncertainty is seed noise"
