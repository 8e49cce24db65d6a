"""Evaluate the best trials again, on seeds that the search never used.

The best of many noisy values is too good on average (the winner's curse): what a search believes
of its winner shrinks when it is asked again. So the winner and the baselines are trained on fresh
seeds, and both numbers are shown. Both are on the validation clips that chose the winner, so they
describe; the gain over the baselines is judged on test clips, from the same runs, by the layer that
knows how to compare (`tempo.workflow.confirmation`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from optuna.trial import FrozenTrial

from tempo.core.errors import RecordError
from tempo.core.records import PlannedRun, RunStatus
from tempo.core.t_interval import mean_half_width, pooled_variance, two_sided_quantile
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord, read_run
from tempo.records.search_record import Confirmation, Estimate, ObjectiveInfo, Role, TrialRun
from tempo.spec.search_section import MAXIMISED
from tempo.tuning.space import Point
from tempo.tuning.trials import name_of, runs_of, seed_values, values_of

FIRST_SEED = 1000
"""Fresh seeds begin here, so that seeds added later stay apart from them."""

LEVEL = 0.95
"""Of the intervals, by Student's t."""

CHOSEN_ON = ", on the validation clips that chose the winner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trial to confirm, with its runs on fresh seeds.

    `searched`: its objectives by seed of the search.
    """

    trial: str
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
    name = name_of(frozen)
    return Candidate(
        trial=name,
        role=role,
        point=point,
        searched=tuple(seed_values(frozen)),
        runs=runs_of(f"{name} confirmed", point, seeds),
    )


def confirmations(
    candidates: Sequence[Candidate], store: Store, objectives: Sequence[ObjectiveInfo]
) -> tuple[Confirmation, ...]:
    """Return the results on fresh seeds, as far as their runs are complete."""
    return tuple(_confirmation(each, _records(each, store), objectives) for each in candidates)


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
    one: Candidate, records: Mapping[int, RunRecord], objectives: Sequence[ObjectiveInfo]
) -> Confirmation:
    mine, info = _values(records, objectives), objectives[0]
    searched = [values[0] for values in one.searched]
    fresh = [values[0] for values in mine.values()]
    clips = CHOSEN_ON if info.name in MAXIMISED else ""
    return Confirmation(
        variant=one.variant,
        trial=one.trial,
        role=one.role,
        runs=tuple(
            TrialRun(seed=seed, run_id=run.run_id, values=mine.get(seed, ()))
            for seed, run in one.runs.items()
        ),
        search=estimate(searched, f"the search's seeds alone{clips}"),
        fresh=estimate(fresh, f"fresh seeds alone{clips}") if fresh else None,
        shrinkage=_shrinkage(searched, fresh, info, f"seeds alone{clips}") if fresh else None,
        test=_test(records),
    )


def _shrinkage(
    searched: Sequence[float], fresh: Sequence[float], info: ObjectiveInfo, covers: str
) -> Estimate:
    if info.better == "higher":
        return difference(fresh, searched, covers)
    return difference([-value for value in fresh], [-value for value in searched], covers)


def _test(records: Mapping[int, RunRecord]) -> dict[str, Estimate]:
    tests = [record.test.values for record in records.values() if record.test is not None]
    names = [name for name in ("psnr", "ssim") if tests and all(name in each for each in tests)]
    covers = "fresh seeds alone, on these test clips"
    return {name: estimate([float(each[name]) for each in tests], covers) for name in names}


def estimate(values: Sequence[float], covers: str) -> Estimate:
    """Return the mean of at least one value, with an interval from two on."""
    mean, half = fmean(values), mean_half_width(values, LEVEL)
    if half is None:
        return Estimate(mean=mean, count=len(values), covers=covers)
    return Estimate(mean=mean, count=len(values), low=mean - half, high=mean + half, covers=covers)


def difference(one: Sequence[float], other: Sequence[float], covers: str) -> Estimate:
    """Return the difference of two independent means, from the pooled variance of both.

    With no more than one value on each side there is no interval.
    """
    mean = fmean(one) - fmean(other)
    pooled, freedom = pooled_variance((one, other))
    if not freedom:
        return Estimate(mean=mean, count=len(one), covers=covers)
    error = math.sqrt(pooled * (1 / len(one) + 1 / len(other)))
    half = two_sided_quantile(LEVEL, freedom) * error
    return Estimate(mean=mean, count=len(one), low=mean - half, high=mean + half, covers=covers)
