"""Tell what a comparison shows of the rule's contrasts from what earlier looks showed of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from tempo.comparison.loading.load_runs import Sample
from tempo.comparison.statistics.group_sequential import Looks
from tempo.comparison.statistics.hypothesis_tests import AdjustedResult, TestResult
from tempo.comparison.statistics.quantities import Decision, Word
from tempo.core.identity import short_hash
from tempo.core.verdict_rule import Rule, Spending
from tempo.records.verdict_log import Look, LookAt, LookedContrast, past_looks

Key = tuple[str, str]
"""A variant and a metric."""


def pairs_of(sample: Sample, variant: str, baseline: str, test: TestResult) -> tuple[str, ...]:
    """Return a short hash of each pair of results behind a test, in the order of its seeds.

    Of the run and of its mean values: a run that was made again with another result is another
    one, and a run that was resumed or evaluated again to the same result is the same.
    """
    results = sample.by_key
    found = []
    for seed in test.combination.seeds:
        sides = []
        for name in (variant, baseline):
            run = results.get((name, seed)) or results[name, None]
            sides.append([run.run_id, {key: repr(value) for key, value in run.values.items()}])
        found.append(short_hash(sides))
    return tuple(found)


def data_hash(pairs: Mapping[Key, Sequence[str]]) -> str:
    """Return the hash of all results that the rule's family is judged by."""
    return short_hash(sorted([*key, *each] for key, each in pairs.items()), 16)


def looked_contrast(
    key: Key, baseline: str, judged: AdjustedResult, pairs: tuple[str, ...]
) -> LookedContrast:
    """Return what a look records of a contrast; `judged` has a test."""
    test, interval = judged.test, judged.interval
    assert test is not None and interval is not None
    return LookedContrast(
        variant=key[0],
        baseline=baseline,
        metric=key[1],
        seeds=test.seeds,
        planned=test.looks.planned,
        value=interval.value,
        low=_finite(interval.low),
        high=_finite(interval.high),
        p=_finite(test.p),
        p_equal=_finite(test.p_equal),
        p_adjusted=_finite(judged.p_adjusted),
        level=interval.single_level or interval.level,
        word=judged.verdict.word.value,
        pairs=pairs,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def new_look(rule: Rule, data: str, contrasts: Iterable[LookedContrast]) -> Look | None:
    """Return the look that a comparison is, not recorded yet; None where nothing was judged."""
    shown = tuple(contrasts)
    if not shown:
        return None
    return Look(time=None, by="compare", data=data, rule=rule.hash, contrasts=shown)


def looks_at(earlier: Sequence[LookAt], seeds: int, planned: int, spending: Spending) -> Looks:
    """Return which look at a contrast this is, after the `earlier` ones.

    The number of seeds that was planned at the first look holds: who changes it later has seen
    results.
    """
    first = earlier[0].contrast.planned if earlier else planned
    return Looks(
        now=seeds, planned=max(first, 1), past=past_looks(earlier, seeds), spending=spending
    )


def decision_of(found: LookAt) -> Decision:
    """Return what an earlier look decided, as the family's test takes it."""
    each = found.contrast
    return Decision(
        word=Word(each.word),
        seeds=each.seeds,
        value=each.value,
        low=each.low,
        high=each.high,
        p_adjusted=each.p_adjusted,
    )
