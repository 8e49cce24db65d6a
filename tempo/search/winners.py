"""Which trials won: the best of one objective, the Pareto front of several."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from tempo.records.search_record import ObjectiveInfo
from tempo.search.confirmation import mean_value
from tempo.search.trials import ORIGIN, by_ticket, is_complete, result_of, seed_values


def contenders(trials: Sequence[FrozenTrial], seeds: int) -> list[FrozenTrial]:
    """Trials that ended with all their seeds, those outside the space included."""
    return [each for each in by_ticket(trials).values() if is_complete(each, seeds)]


def ranked(
    trials: Sequence[FrozenTrial], objectives: Sequence[ObjectiveInfo], seeds: int
) -> list[FrozenTrial]:
    """The contenders, best first by the first objective; with several, the Pareto front."""
    found = contenders(trials, seeds)
    if len(objectives) > 1:
        found = [each for each in found if not _dominated(each, found, objectives)]
    sign = -1.0 if objectives[0].better == "higher" else 1.0
    return sorted(found, key=lambda each: (sign * mean_value(each), each.number))


def _dominated(
    one: FrozenTrial, others: Sequence[FrozenTrial], objectives: Sequence[ObjectiveInfo]
) -> bool:
    mine = costs(one, objectives)
    for other in others:
        theirs = costs(other, objectives)
        if theirs != mine and all(a <= b for a, b in zip(theirs, mine, strict=True)):
            return True
    return False


def costs(frozen: FrozenTrial, objectives: Sequence[ObjectiveInfo]) -> tuple[float, ...]:
    """A trial's means with less being better."""
    return tuple(
        -mean_value(frozen, i) if info.better == "higher" else mean_value(frozen, i)
        for i, info in enumerate(objectives)
    )


def baselines(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Enqueued trials that have a value."""
    return [
        each
        for each in by_ticket(trials).values()
        if each.user_attrs.get(ORIGIN) == "enqueued" and seed_values(each)
    ]


def observed(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials with params and values, warm starts included: what importance is measured on."""
    return [
        each
        for each in trials
        if each.state is TrialState.COMPLETE and each.params and not result_of(each).get("outside")
    ]
