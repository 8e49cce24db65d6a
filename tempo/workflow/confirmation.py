"""Confirm what a search found on test clips, which chose nothing.

A winner is chosen on validation clips. Its lead there holds the luck of those clips, which fresh
seeds do not take away. So the gain over each enqueued trial is the difference on the test clips,
paired by fresh seed and clip, by the model that every comparison uses. It is made here because the
layers of searches and of comparisons do not know each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tempo.comparison.fitted_study import fit_study
from tempo.comparison.loading.load_runs import load_runs
from tempo.comparison.query import Query
from tempo.core.errors import RecordError, TempoError
from tempo.core.records import Plan
from tempo.records.layout import Store
from tempo.records.search_record import Gain, SearchSummary, load_search
from tempo.spec.verdict import rule_of
from tempo.workflow.gains import (
    COUNTS,
    MEASURED_ON_CLIPS,
    Outcome,
    Pair,
    cost_gains,
    count_gains,
    gains_on_clips,
)


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

    `plan`: the search's, with the confirmed trials in it. The summary that was written before tells
    the earlier looks.
    """
    pairs, small = confirmed_pairs(summary), confirmed_plan(plan, summary)
    if not pairs or small is None:
        return summary
    name, before = summary.objectives[0].name, _gains_before(store, summary)
    if name in COUNTS:
        return noted(summary, count_gains(summary, pairs))
    if name not in MEASURED_ON_CLIPS:
        return noted(summary, cost_gains(summary, pairs, before))
    try:
        asked = Query(metric=name, detail="table").under(rule_of(small))
        study = fit_study(load_runs(store, small, asked))
    except TempoError as error:
        return noted(summary, dict.fromkeys(pairs, str(error)))
    return noted(summary, gains_on_clips(summary, pairs, study, before))


def _gains_before(store: Store, summary: SearchSummary) -> dict[Pair, Gain]:
    """Return the gains that a verdict was shown of, from the summary on disk."""
    try:
        before = load_search(store, summary.study, summary.profile or "default")
    except (RecordError, ValueError):
        # There is none yet, or nothing that can be read; it is about to be replaced.
        return {}
    variant_of = {each.trial: each.variant for each in before.confirmed}
    return {
        (each.variant, variant_of[other]): gain
        for each in before.confirmed
        for other, gain in each.gain.items()
        if gain.looks and other in variant_of
    }


def confirmed_pairs(summary: SearchSummary) -> list[Pair]:
    """Return the comparisons that a search asks: each winner with each other enqueued trial."""
    enqueued = {each.variant for each in summary.trials if each.origin == "enqueued"}
    return [
        (one.variant, other.variant)
        for one in summary.confirmed
        for other in summary.confirmed
        if one.role == "best" and other.trial in enqueued and one.trial != other.trial
    ]


def noted(summary: SearchSummary, found: Mapping[Pair, Outcome]) -> SearchSummary:
    """Return the summary with each gain, or the reason why there is none, by the trials' names."""
    trial_of = {each.variant: each.trial for each in summary.confirmed}
    confirmed = []
    for each in summary.confirmed:
        mine = {trial_of[other]: f for (one, other), f in found.items() if one == each.variant}
        gain = {name: f for name, f in mine.items() if isinstance(f, Gain)}
        without = {name: f for name, f in mine.items() if isinstance(f, str)}
        confirmed.append(replace(each, gain=gain, without_gain=without))
    return replace(summary, confirmed=tuple(confirmed))
