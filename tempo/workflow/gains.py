"""Judge the gains of a search's winners over the enqueued trials, as one family.

A fixed number of fresh seeds is one planned look with the whole error rate. Before the last of them
has ended there is no verdict; seeds that are added after one are exploratory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.query import Query
from tempo.comparison.statistics.group_sequential import Looks
from tempo.comparison.statistics.hypothesis_tests import (
    AdjustedResult,
    TestResult,
    holm_family,
    run_test,
)
from tempo.comparison.statistics.power import MIN_SEEDS
from tempo.comparison.statistics.quantities import Decision, TestSettings, Verdict, Word
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tempo.core.records import MetricInfo
from tempo.records.search_record import Gain, SearchSummary

MEASURED_ON_CLIPS = {"psnr", "ssim"}
"""Objectives that a test evaluation has per clip; the others are costs of a network."""

SEEDS_AND_CLIPS = "fresh seeds and the draw of the test clips, which chose nothing"
SEEDS_ON_TEST = "fresh seeds alone, on these test clips, which chose nothing"
SEEDS_ALONE = "fresh seeds alone; this objective is not measured on clips"

COUNTS = {"parameters", "macs"}
"""Objectives that no seed changes."""

Pair = tuple[str, str]
"""The variants of a winner and of an enqueued trial, both confirmed."""

Outcome = Gain | str
"""A gain, or the reason why there is none."""

NOTHING: Mapping[Pair, Gain] = {}


def gains_on_clips(
    summary: SearchSummary,
    pairs: Sequence[Pair],
    study: FittedStudy,
    before: Mapping[Pair, Gain] = NOTHING,
) -> dict[Pair, Outcome]:
    """Return the gains on the clips of a fitted study; `before` has those with earlier verdicts."""
    tested = {pair: study.test(study.primary, *pair) for pair in pairs}
    return _judged(summary, tested, study.primary, study.model, before)


def cost_gains(
    summary: SearchSummary, pairs: Sequence[Pair], before: Mapping[Pair, Gain] = NOTHING
) -> dict[Pair, Outcome]:
    """Return the gains in an objective that has no clips, paired by fresh seed."""
    known = _values(summary)
    model = RandomEffects(matrix_of(list(known), np.array(list(known.values())), None))
    info, query = summary.objectives[0], Query()
    # A cost has no margin within which two of them count as equal.
    settings = TestSettings(
        info=MetricInfo(**asdict(info), definition=""),
        delta=None,
        level=query.coverage,
        power=query.power,
    )
    tested = {pair: _paired_by_seed(model, pair, settings) for pair in pairs}
    return _judged(summary, tested, settings, model, before)


def _values(summary: SearchSummary) -> dict[tuple[str, int], float]:
    """Return the first objective by confirmed variant and fresh seed."""
    return {
        (each.variant, run.seed): run.values[0]
        for each in summary.confirmed
        for run in each.runs
        if run.values
    }


def _paired_by_seed(
    model: RandomEffects, pair: Pair, settings: TestSettings
) -> TestResult | Verdict:
    combination = model.contrast({pair[0]: 1.0, pair[1]: -1.0})
    if combination is None:
        return Verdict(word=Word.INCONCLUSIVE, reason=_no_common_seed(pair))
    return run_test(model, combination, settings)


def _no_common_seed(pair: Pair) -> str:
    return f"no seed is finished in both {pair[0]} and {pair[1]}"


def count_gains(summary: SearchSummary, pairs: Sequence[Pair]) -> dict[Pair, Outcome]:
    """Return the differences of counts, which are the same under every seed."""
    known, less = _values(summary), summary.objectives[0].better == "lower"
    found: dict[Pair, Outcome] = {}
    for pair in pairs:
        seeds = [s for name, s in known if name == pair[0] and (pair[1], s) in known]
        if not seeds:
            found[pair] = _no_common_seed(pair)
            continue
        gain = known[pair[0], seeds[0]] - known[pair[1], seeds[0]]
        word = Word.EQUIVALENT if not gain else Word.BETTER if (gain < 0) == less else Word.WORSE
        found[pair] = Gain(
            mean=gain,
            count=len(seeds),
            low=gain,
            high=gain,
            covers="nothing: a count of the network is the same under every seed",
            planned=_planned(summary, pair),
            word=word.value,
            reason="a count of the network, not an estimate",
        )
    return found


def _planned(summary: SearchSummary, pair: Pair) -> int:
    """Return how many fresh seeds both sides were asked for."""
    seeds = [{run.seed for run in c.runs} for c in summary.confirmed if c.variant in pair]
    return len(set.intersection(*seeds))


def _judged(
    summary: SearchSummary,
    tested: Mapping[Pair, TestResult | Verdict],
    settings: TestSettings,
    model: RandomEffects | None,
    before: Mapping[Pair, Gain],
) -> dict[Pair, Outcome]:
    """Judge all gains as one family.

    The first verdict is the planned look and has the whole error rate: what it decided stands, and
    what seeds that came later say is exploratory.
    """
    looked = {
        pair: replace(each, looks=_looks(each, before.get(pair)))
        if isinstance(each, TestResult)
        else each
        for pair, each in tested.items()
    }
    settled = {
        pair: _decision(before[pair])
        for pair, each in looked.items()
        if isinstance(each, TestResult) and _stands(before.get(pair), each.seeds)
    }
    judged = holm_family(looked, settings, settled)
    family = sum(each.test is not None and each.test.testable for each in judged.values())
    found: dict[Pair, Outcome] = {}
    for pair, each in judged.items():
        if each.test is None or model is None:
            found[pair] = each.verdict.reason
        elif pair in settled:
            found[pair] = replace(before[pair], reason=each.verdict.reason, family=family)
        else:
            made = _gain(each, each.test, model, settings.info.name)
            gain = replace(made, planned=_planned(summary, pair), family=family)
            past = before[pair].looks if pair in before else ()
            waits = not summary.over and gain.count not in past
            found[pair] = _unjudged(gain, past) if waits else gain
    return found


def _looks(test: TestResult, before: Gain | None) -> Looks:
    past = before.looks if before is not None else ()
    now = max(test.seeds, 1)
    return Looks(now=now, planned=past[0] if past else now, past=past)


def _stands(before: Gain | None, seeds: int) -> bool:
    """Return whether an earlier verdict on other data decided."""
    decided = {Word.BETTER.value, Word.WORSE.value, Word.EQUIVALENT.value}
    return before is not None and before.word in decided and before.count != seeds


def _decision(gain: Gain) -> Decision:
    return Decision(
        word=Word(gain.word),
        seeds=gain.count,
        value=gain.mean,
        low=gain.low,
        high=gain.high,
        p_adjusted=gain.p_adjusted,
    )


def _gain(judged: AdjustedResult, test: TestResult, model: RandomEffects, metric: str) -> Gain:
    interval, clips = judged.interval or test.interval, model.matrix.clips
    word, reason = judged.verdict.word.value, judged.verdict.reason
    if test.seeds < MIN_SEEDS:
        pairs = "1 pair" if test.seeds == 1 else f"{test.seeds} pairs"
        word, reason = "", f"{pairs} of fresh seeds; a verdict needs at least {MIN_SEEDS}"
    return Gain(
        mean=interval.value,
        count=test.seeds,
        low=interval.low,
        high=interval.high,
        covers=_covers(model, metric),
        clips=clips,
        sources=model.matrix.sources if clips else 0,
        p=test.p,
        p_adjusted=judged.p_adjusted,
        looks=tuple(dict.fromkeys((*test.looks.past, test.seeds))) if word else (),
        word=word,
        reason=reason,
    )


def _unjudged(gain: Gain, past: tuple[int, ...]) -> Gain:
    """Return a gain without verdict: one before the last fresh seed would be an unplanned look."""
    reason = f"{gain.count} of {gain.planned} pairs of fresh seeds; the confirmation goes on"
    return replace(gain, word="", reason=reason, looks=past)


def _covers(model: RandomEffects, metric: str) -> str:
    """Return what varies in an interval; clips do only where their values are recorded."""
    if model.matrix.samples_clips:
        return SEEDS_AND_CLIPS
    return SEEDS_ON_TEST if metric in MEASURED_ON_CLIPS else SEEDS_ALONE
