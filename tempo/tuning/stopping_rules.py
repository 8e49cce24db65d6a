"""Decide when a trial stops (pruning, racing) and when a search has spent its budget."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from statistics import fmean

from optuna import pruners
from optuna.trial import FrozenTrial

from tempo.core.t_interval import pooled_variance
from tempo.records.run_record import device_hours
from tempo.records.search_record import Spent
from tempo.spec import search_section as spec
from tempo.tuning.trials import result_of, ticket_of

MIN_FREEDOM = 3
"""Degrees of freedom below which the spread between seeds is not trusted."""


def make_pruner(search: spec.SearchSpec, val_every: int, steps: int | None) -> pruners.BasePruner:
    """Return the pruner of a search whose runs validate every `val_every` steps, `steps` in all.

    Without a pruner in the spec a single validation metric gets the median rule, costs and several
    objectives none.
    """
    options = search.pruner
    if search.curve is None:
        return pruners.NopPruner()
    if isinstance(options, spec.Hyperband):
        least = options.min_steps or val_every
        most = steps if steps is not None and steps >= least else "auto"
        return pruners.HyperbandPruner(
            min_resource=least, max_resource=most, reduction_factor=options.reduction
        )
    median = options if isinstance(options, spec.Median) else spec.Median()
    return pruners.MedianPruner(n_startup_trials=median.startup, n_warmup_steps=median.warmup)


def pruning_rule(search: spec.SearchSpec) -> str:
    """Return the pruning rule as a sentence."""
    options = search.pruner
    if search.curve is None:
        return "No trial is stopped for its curve."
    if isinstance(options, spec.Hyperband):
        return (
            f"A trial stops at a rung of its Hyperband bracket unless its {search.curve} is among "
            f"the best 1 in {options.reduction} that reached it."
        )
    median = options if isinstance(options, spec.Median) else spec.Median()
    return (
        f"A trial stops when its best {search.curve} so far is below the median, at that step, of "
        f"the complete trials, once {median.startup} of them are known."
    )


def has_lost(
    values: Sequence[float],
    complete: Sequence[Sequence[float]],
    *,
    seeds: int,
    z: float,
    beside: Sequence[Sequence[float]] = (),
) -> bool:
    """Return whether the mean of a trial's first seeds is clearly worse than the best trial's.

    Args:
        values: the trial's values so far, larger is better.
        complete: the values of trials all of whose seeds ran.
        seeds: how many a trial has in all.
        z: how many standard errors apart is clear.
        beside: the values of trials outside the space: they tell how far seeds differ, and are no
            rivals, since nothing that the search proposes could be like them.

    The standard error is that of the difference of the two means, from the pooled standard
    deviation between seeds; with fewer than `MIN_FREEDOM` degrees of freedom no trial has lost.
    """
    variance, freedom = pooled_variance([*complete, *beside])
    if not complete or freedom < MIN_FREEDOM:
        return False
    best = max(fmean(each) for each in complete)
    error = math.sqrt(variance) * math.sqrt(1 / len(values) + 1 / seeds)
    return best - fmean(values) > z * error


def racing_rule(z: float | None, seeds: int) -> str:
    """Return the racing rule as a sentence."""
    if z is None or seeds < 2:
        return "Every trial runs all its seeds."
    return (
        f"A trial runs its first seed and goes on to the other {seeds - 1} unless its mean so far "
        f"is worse than the best trial's by more than {z:g} standard errors (standard deviation "
        f"between seeds pooled over the trials, from {MIN_FREEDOM} degrees of freedom on)."
    )


def exceeds(spent: Spent, budget: spec.SearchBudget) -> bool:
    """Return whether no further trial may begin for the time that was used."""
    if budget.gpu_hours is not None and spent.device_hours >= budget.gpu_hours:
        return True
    return budget.hours is not None and spent.hours >= budget.hours


def spending(trials: Iterable[FrozenTrial], active: Sequence[float] = ()) -> Spent:
    """Return the time of all trials that ended, and of this driver's, which began at `active`."""
    now = time.time()
    ended = [t for t in trials if ticket_of(t) is not None and t.state.is_finished()]
    spans = [tuple(span) for trial in ended for span in result_of(trial).get("spans", ())]
    spans += [(started, now, 1.0) for started in active]
    return Spent(
        trials=len(ended),
        device_hours=sum(device_hours(end - start, devices) for start, end, devices in spans),
        hours=device_hours(_union([(start, end) for start, end, _ in spans])),
    )


def _union(spans: Iterable[tuple[float, float]]) -> float:
    """Return the seconds that lie in at least one span."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return total
