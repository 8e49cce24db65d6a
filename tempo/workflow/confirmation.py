"""Judge what a search found on fresh seeds and on test clips, which chose nothing.

A winner is chosen on validation clips. Its lead there holds the luck of those clips, which fresh
seeds do not take away. So the gain over each enqueued trial is the difference on the test clips,
paired by fresh seed and clip, by the model that every comparison uses. It lies here because the
layers of searches and of comparisons do not know each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from tempo.comparison.fitted_study import FittedStudy, fit_study
from tempo.comparison.loading.load_runs import load_runs
from tempo.comparison.query import Query
from tempo.comparison.statistics.hypothesis_tests import (
    AdjustedResult,
    TestResult,
    holm_family,
    run_test,
)
from tempo.comparison.statistics.power import MIN_SEEDS
from tempo.comparison.statistics.quantities import TestSettings, Verdict, Word
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tempo.core.errors import TempoError
from tempo.core.records import MetricInfo, Plan
from tempo.records.layout import Store
from tempo.records.search_record import Gain, SearchSummary

MEASURED_ON_CLIPS = {"psnr", "ssim"}
"""Objectives that a test evaluation has per clip; the others are costs of a network."""

SEEDS_AND_CLIPS = "fresh seeds and the draw of the test clips, which chose nothing"
SEEDS_ON_TEST = "fresh seeds alone, on these test clips, which chose nothing"
SEEDS_ALONE = "fresh seeds alone; this objective is not measured on clips"

Pair = tuple[str, str]
"""The variants of a winner and of an enqueued trial, both confirmed."""


def confirmed_plan(plan: Plan, summary: SearchSummary) -> Plan | None:
    """Return the plan of the confirmed trials and the references, None while none has finished.

    Its baseline is the first enqueued trial.
    """
    done = [each for each in summary.confirmed if each.fresh is not None]
    names = {each.variant for each in done}
    if not names & {each.name for each in plan.variants}:
        return None
    names |= {each.name for each in plan.variants if each.role == "reference"}
    return replace(
        plan,
        baseline=next((each.variant for each in done if each.role == "baseline"), None),
        variants=tuple(each for each in plan.variants if each.name in names),
        runs=tuple(each for each in plan.runs if each.variant in names),
    )


def with_gains(store: Store, plan: Plan, summary: SearchSummary) -> SearchSummary:
    """Return the summary with the gain of each winner over each enqueued trial, judged together.

    `plan`: the search's, with the confirmed trials in it.
    """
    pairs, small = confirmed_pairs(summary), confirmed_plan(plan, summary)
    if not pairs or small is None:
        return summary
    info = summary.objectives[0]
    if info.name not in MEASURED_ON_CLIPS:
        return judged_costs(summary, pairs)
    try:
        study = fit_study(load_runs(store, small, Query(metric=info.name, detail="table")))
    except TempoError as error:
        return _noted(summary, dict.fromkeys(pairs, str(error)))
    return judged_on_clips(summary, pairs, study)


def confirmed_pairs(summary: SearchSummary) -> list[Pair]:
    """Return the comparisons that a search asks: each winner with each other enqueued trial."""
    enqueued = {each.variant for each in summary.trials if each.origin == "enqueued"}
    return [
        (one.variant, other.variant)
        for one in summary.confirmed
        for other in summary.confirmed
        if one.role == "best" and other.trial in enqueued and one.trial != other.trial
    ]


def judged_on_clips(
    summary: SearchSummary, pairs: Sequence[Pair], study: FittedStudy
) -> SearchSummary:
    """Return the summary with gains on the clips of a fitted study."""
    tested = {pair: study.test(study.primary, *pair) for pair in pairs}
    return _judged(summary, tested, study.primary, study.model)


def judged_costs(summary: SearchSummary, pairs: Sequence[Pair]) -> SearchSummary:
    """Return the summary with gains in an objective that has no clips, paired by fresh seed."""
    known = {
        (each.variant, run.seed): run.values[0]
        for each in summary.confirmed
        for run in each.runs
        if run.values
    }
    model = RandomEffects(matrix_of(list(known), np.array(list(known.values())), None))
    info, query = summary.objectives[0], Query()
    # A cost has no margin within which two of them count as equal.
    settings = TestSettings(
        info=MetricInfo(**asdict(info), definition=""),
        delta=None,
        level=query.level,
        power=query.power,
    )
    tested = {pair: _paired_by_seed(model, pair, settings) for pair in pairs}
    return _judged(summary, tested, settings, model)


def _paired_by_seed(
    model: RandomEffects, pair: Pair, settings: TestSettings
) -> TestResult | Verdict:
    combination = model.contrast({pair[0]: 1.0, pair[1]: -1.0})
    if combination is None:
        reason = f"no seed is finished in both {pair[0]} and {pair[1]}"
        return Verdict(word=Word.INCONCLUSIVE, reason=reason)
    return run_test(model, combination, settings)


def _judged(
    summary: SearchSummary,
    tested: Mapping[Pair, TestResult | Verdict],
    settings: TestSettings,
    model: RandomEffects | None,
) -> SearchSummary:
    judged = holm_family(tested, settings)
    family = sum(each.p_adjusted is not None for each in judged.values())
    seeds = {each.variant: {run.seed for run in each.runs} for each in summary.confirmed}
    found: dict[Pair, Gain | str] = {}
    for (one, other), each in judged.items():
        if each.test is None or model is None:
            found[one, other] = each.verdict.reason
        else:
            planned = len(seeds[one] & seeds[other])
            gain = _gain(each, each.test, model, planned=planned, family=family)
            found[one, other] = replace(gain, covers=_covers(model, settings.info.name))
    return _noted(summary, found)


def _gain(
    judged: AdjustedResult, test: TestResult, model: RandomEffects, *, planned: int, family: int
) -> Gain:
    interval, clips = test.interval, model.matrix.clips
    word, reason = judged.verdict.word.value, judged.verdict.reason
    if test.seeds < MIN_SEEDS:
        pairs = "1 pair" if test.seeds == 1 else f"{test.seeds} pairs"
        word, reason = "", f"{pairs} of fresh seeds; a verdict needs at least {MIN_SEEDS}"
    return Gain(
        mean=interval.value,
        count=test.seeds,
        low=interval.low,
        high=interval.high,
        planned=planned,
        clips=clips,
        sources=model.matrix.sources if clips else 0,
        p=test.p,
        p_adjusted=judged.p_adjusted,
        family=family,
        word=word,
        reason=reason,
    )


def _covers(model: RandomEffects, metric: str) -> str:
    """Return what varies in an interval; clips do only where their values are recorded."""
    if model.matrix.samples_clips:
        return SEEDS_AND_CLIPS
    return SEEDS_ON_TEST if metric in MEASURED_ON_CLIPS else SEEDS_ALONE


def _noted(summary: SearchSummary, found: Mapping[Pair, Gain | str]) -> SearchSummary:
    """Return the summary with each gain, or the reason why there is none, by the trials' names."""
    trial_of = {each.variant: each.trial for each in summary.confirmed}
    confirmed = []
    for each in summary.confirmed:
        mine = {trial_of[other]: f for (one, other), f in found.items() if one == each.variant}
        gain = {name: f for name, f in mine.items() if isinstance(f, Gain)}
        without = {name: f for name, f in mine.items() if isinstance(f, str)}
        confirmed.append(replace(each, gain=gain, without_gain=without))
    return replace(summary, confirmed=tuple(confirmed))
