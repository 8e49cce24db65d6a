"""Evaluate the best trials again, on seeds that the search never used.

The best of many noisy values is too good on average (the winner's curse): what a search believes
of its winner shrinks when it is asked again. So the winner and the baselines are trained on fresh
seeds, and both numbers are shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from optuna.trial import FrozenTrial

from tempo.core.errors import RecordError
from tempo.core.records import PlannedRun, RunStatus
from tempo.core.t_interval import mean_half_width, pooled_variance, two_sided_quantile
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord, read_run
from tempo.records.search_record import Confirmation, Estimate, ObjectiveInfo, TrialRun
from tempo.tuning.space import Point
from tempo.tuning.trials import NAME, ORIGIN, runs_of, seed_values, values_of

FIRST_SEED = 1000
"""Fresh seeds begin here, so that seeds added later stay apart from them."""

LEVEL = 0.95
"""Of the intervals, by Student's t."""

Role = Literal["best", "baseline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trial to confirm, with its runs on fresh seeds.

    `searched`: its objectives by seed of the search; `enqueued`: others are compared with it.
    """

    trial: str
    enqueued: bool
    role: Role
    point: Point
    searched: tuple[tuple[float, ...], ...]
    runs: Mapping[int, PlannedRun]

    @property
    def variant(self) -> str:
        """Return its name in the study's plan."""
        return f"{self.trial} confirmed"


def fresh_seeds(count: int, used: Sequence[int]) -> tuple[int, ...]:
    """Return the first `count` seeds from `FIRST_SEED` on that the search does not use."""
    seeds = (seed for seed in range(FIRST_SEED, FIRST_SEED + count + len(used)))
    return tuple(seed for seed in seeds if seed not in used)[:count]


def candidate(frozen: FrozenTrial, point: Point, role: Role, seeds: Sequence[int]) -> Candidate:
    """Return a trial with its runs on fresh seeds."""
    name = str(frozen.user_attrs[NAME])
    return Candidate(
        trial=name,
        enqueued=frozen.user_attrs.get(ORIGIN) == "enqueued",
        role=role,
        point=point,
        searched=tuple(seed_values(frozen)),
        runs=runs_of(f"{name} confirmed", point, seeds),
    )


def confirmations(
    candidates: Sequence[Candidate], store: Store, objectives: Sequence[ObjectiveInfo]
) -> tuple[Confirmation, ...]:
    """Return the results on fresh seeds, as far as their runs are complete."""
    found = {each.trial: _records(each, store) for each in candidates}
    return tuple(_confirmation(each, found, candidates, objectives) for each in candidates)


def _records(one: Candidate, store: Store) -> dict[int, RunRecord]:
    out: dict[int, RunRecord] = {}
    for seed, run in one.runs.items():
        try:
            record = read_run(store.run_dir(run.run_id))
        except RecordError:
            # Not begun yet.
            continue
        if record.status is RunStatus.COMPLETE:
            out[seed] = record
    return out


def _values(
    records: Mapping[int, RunRecord], objectives: Sequence[ObjectiveInfo]
) -> dict[int, tuple[float, ...]]:
    names = [each.name for each in objectives]
    return {seed: values_of(record, names) for seed, record in records.items()}


def _confirmation(
    one: Candidate,
    found: Mapping[str, Mapping[int, RunRecord]],
    candidates: Sequence[Candidate],
    objectives: Sequence[ObjectiveInfo],
) -> Confirmation:
    mine = _values(found[one.trial], objectives)
    searched = [values[0] for values in one.searched]
    fresh = [values[0] for values in mine.values()]
    return Confirmation(
        variant=one.variant,
        trial=one.trial,
        role=one.role,
        runs=tuple(
            TrialRun(seed=seed, run_id=run.run_id, values=mine.get(seed, ()))
            for seed, run in one.runs.items()
        ),
        search=estimate(searched),
        fresh=estimate(fresh) if fresh else None,
        shrinkage=_shrinkage(searched, fresh, objectives[0]),
        test=_test(found[one.trial]),
        gain={
            other.trial: gain
            for other in candidates
            if other.enqueued
            and other.trial != one.trial
            and (gain := _gain(mine, _values(found[other.trial], objectives)))
        },
    )


def _shrinkage(
    searched: Sequence[float], fresh: Sequence[float], info: ObjectiveInfo
) -> Estimate | None:
    if not fresh:
        return None
    if info.better == "higher":
        return difference(fresh, searched)
    return difference([-value for value in fresh], [-value for value in searched])


def _gain(
    mine: Mapping[int, tuple[float, ...]], other: Mapping[int, tuple[float, ...]]
) -> Estimate | None:
    shared = [seed for seed in mine if seed in other]
    if not shared:
        return None
    return paired([mine[seed][0] for seed in shared], [other[seed][0] for seed in shared])


def _test(records: Mapping[int, RunRecord]) -> dict[str, Estimate]:
    tests = [record.test.values for record in records.values() if record.test is not None]
    names = [name for name in ("psnr", "ssim") if tests and all(name in each for each in tests)]
    return {name: estimate([float(each[name]) for each in tests]) for name in names}


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of at least one value, with an interval from two on."""
    mean, half = fmean(values), mean_half_width(values, LEVEL)
    if half is None:
        return Estimate(mean=mean, count=len(values))
    return Estimate(mean=mean, count=len(values), low=mean - half, high=mean + half)


def paired(one: Sequence[float], other: Sequence[float]) -> Estimate:
    """Return the mean of the differences of paired values."""
    return estimate([a - b for a, b in zip(one, other, strict=True)])


def difference(one: Sequence[float], other: Sequence[float]) -> Estimate:
    """Return the difference of two independent means, from the pooled variance of both.

    With no more than one value on each side there is no interval.
    """
    mean = fmean(one) - fmean(other)
    pooled, freedom = pooled_variance((one, other))
    if not freedom:
        return Estimate(mean=mean, count=len(one))
    error = math.sqrt(pooled * (1 / len(one) + 1 / len(other)))
    half = two_sided_quantile(LEVEL, freedom) * error
    return Estimate(mean=mean, count=len(one), low=mean - half, high=mean + half)
