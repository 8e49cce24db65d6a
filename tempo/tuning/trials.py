"""Represent trials, as Optuna's storage holds them and a driver carries them out; read objectives.

Objectives are validation metrics or costs of finished runs, never test metrics.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from tempo.core.errors import SpecError
from tempo.core.records import PlannedRun, PlannedVariant, RunSpec
from tempo.records.events import Validated
from tempo.records.run_record import RunRecord, devices_of
from tempo.records.search_record import ObjectiveInfo
from tempo.spec.metrics import best_of
from tempo.spec.search_section import MAXIMISED
from tempo.spec.sections.start import sources_of
from tempo.spec.study import run_id
from tempo.tuning.space import Params, Point
from tempo.tuning.tickets import Ticket

TICKET, NAME, ORIGIN, RESULT = "ticket", "name", "origin", "result"
"""User attributes of a trial in the storage; optuna-dashboard shows them."""

REJECTED = "rejected"
"""User attribute: why a proposal was never trained."""


def ticket_of(frozen: FrozenTrial) -> Ticket | None:
    """Return the ticket of a trial; None for rejected proposals and warm starts."""
    return None if REJECTED in frozen.user_attrs else frozen.user_attrs.get(TICKET)


def by_ticket(trials: Sequence[FrozenTrial]) -> dict[Ticket, FrozenTrial]:
    """Return the trial of each ticket, in the order they were made.

    Should there be two, one of which a driver made that had been frozen past its lease, the first
    one counts.
    """
    out: dict[Ticket, FrozenTrial] = {}
    for frozen in trials:
        ticket = ticket_of(frozen)
        if ticket is not None:
            out.setdefault(ticket, frozen)
    return out


def name_of(frozen: FrozenTrial) -> str:
    """Return a trial's name in the study's plan: by Optuna's number, unless it was given one.

    Searches of earlier versions gave every trial a name, which counted in another way.
    """
    return str(frozen.user_attrs.get(NAME) or numbered(frozen.number))


def numbered(number: int) -> str:
    """Return the name of the trial that has this number in Optuna."""
    return f"trial-{number:03d}"


def is_outside(frozen: FrozenTrial) -> bool:
    """Return whether no point of the space equals a trial that ended."""
    return bool(result_of(frozen).get("outside"))


def is_searched(frozen: FrozenTrial) -> bool:
    """Return whether the search itself proposed a trial: it was neither enqueued nor known."""
    return frozen.user_attrs.get(ORIGIN) in {"sampled", "promoted"} and not is_outside(frozen)


def result_of(frozen: FrozenTrial) -> Mapping[str, Any]:
    """Return what was stored when the trial ended; empty before."""
    found: Mapping[str, Any] = frozen.user_attrs.get(RESULT, {})
    return found


def seed_values(frozen: FrozenTrial) -> list[tuple[float, ...]]:
    """Return the objectives of each seed that ran."""
    return [tuple(run["values"]) for run in result_of(frozen).get("runs", ()) if run["values"]]


def mean_value(frozen: FrozenTrial, index: int = 0) -> float:
    """Return the mean of an objective over the seeds that ran."""
    return fmean(values[index] for values in seed_values(frozen))


def is_complete(frozen: FrozenTrial, seeds: int) -> bool:
    """Return whether a trial ended with all its seeds."""
    done = frozen.state is TrialState.COMPLETE or is_outside(frozen)
    return done and len(seed_values(frozen)) >= seeds


@dataclass(slots=True, kw_only=True)
class Trial:
    """A trial that this driver carries out.

    `done`: objectives by seed; `steps`: the validations that were reported. `prunable`: whether
    the pruner may stop it.
    """

    ticket: Ticket
    optuna_id: int
    number: int
    name: str
    origin: str
    point: Point
    runs: Mapping[int, PlannedRun]
    started: float
    prunable: bool
    done: dict[int, tuple[float, ...]] = field(default_factory=dict)
    steps: set[int] = field(default_factory=set)
    asked: set[int] = field(default_factory=set)
    over: bool = False

    @property
    def params(self) -> Params:
        return self.point.params

    @property
    def first_seed(self) -> int:
        return next(iter(self.runs))

    def spec(self, seed: int) -> RunSpec:
        """Return what a worker needs to run one of its seeds."""
        config = self.point.resolved.config
        return RunSpec(run_id=self.runs[seed].run_id, seed=seed, config=config)


def variant_of(name: str, point: Point) -> PlannedVariant:
    """Return a point as a variant of a plan."""
    return PlannedVariant(
        name=name, role="variant", levels=dict(point.labels), config=point.resolved.config
    )


def runs_of(name: str, point: Point, seeds: Sequence[int]) -> dict[int, PlannedRun]:
    """Return the ordinary runs of a point by seed, under their ordinary run ids.

    Raises:
        SpecError: when the point takes weights from elsewhere, which searches do not.
    """
    resolved = point.resolved
    if sources := sources_of(resolved.chosen["recipe"]):
        raise SpecError(
            f"the trials of a search start from fresh weights and have no teachers, and {name!r} "
            f"builds on {sources[0]!r}; search without that, then build the variants of an "
            "ordinary study on it"
        )
    return {
        seed: PlannedRun(
            run_id=run_id(resolved.chosen, resolved.method, seed), variant=name, seed=seed
        )
        for seed in seeds
    }


SLACK = 1.0
"""Seconds by which two clocks of one search may differ."""


def result_json(
    trial: Trial, records: Mapping[int, RunRecord], curve: str | None, *, note: str, raced: bool
) -> dict[str, Any]:
    """Return what a trial leaves in the storage: runs with values, the first curve, times."""
    return {
        "runs": [
            {"seed": seed, "run_id": run.run_id, "values": list(trial.done.get(seed, ()))}
            for seed, run in trial.runs.items()
            if seed in trial.asked
        ],
        "labels": dict(trial.point.labels),
        "curve": _curve(records.get(trial.first_seed), curve or "psnr"),
        "spans": [span for record in records.values() for span in _spans(record, trial.started)],
        "seconds": time.time() - trial.started,
        "outside": list(trial.point.outside),
        "raced": raced,
        "note": note,
    }


def _curve(record: RunRecord | None, name: str) -> list[list[float]]:
    if record is None:
        return []
    points = [(event.step, event.values.get(name)) for event in record.validations]
    return [[step, value] for step, value in points if value is not None and math.isfinite(value)]


def _spans(record: RunRecord, since: float) -> list[list[float]]:
    """Return start, end and devices of each attempt of this trial: a reused run cost nothing."""
    return [
        [attempt.started, attempt.ended, float(devices_of(attempt.environment))]
        for attempt in record.attempts
        if attempt.started >= since - SLACK
    ]


INFOS: dict[str, ObjectiveInfo] = {
    "psnr": ObjectiveInfo(name="psnr", unit="dB", better="higher", digits=2),
    "ssim": ObjectiveInfo(name="ssim", unit="", better="higher", digits=4),
    "step_time": ObjectiveInfo(name="step_time", unit="ms", better="lower", digits=1),
    "parameters": ObjectiveInfo(name="parameters", unit="", better="lower", digits=0),
    "macs": ObjectiveInfo(name="macs", unit="", better="lower", digits=0),
}


def infos(names: Sequence[str]) -> tuple[ObjectiveInfo, ...]:
    """Return unit, direction and digits of each objective."""
    return tuple(INFOS[name] for name in names)


def values_of(record: RunRecord, names: Sequence[str]) -> tuple[float, ...]:
    """Return the objectives of a complete run.

    A validation metric is that of the checkpoint which the study's evaluation chooses: the best by
    PSNR, or the last. The cost of a step is the median over the run's reports.

    Raises:
        ValueError: the records lack one of them; says which.
    """
    return tuple(_value(record, name) for name in names)


def _value(record: RunRecord, name: str) -> float:
    if name in MAXIMISED:
        return _validated(record, name)
    if name == "step_time":
        return _step_time(record)
    if record.model is None:
        raise ValueError(f"run {record.run_id} never built its network, so {name} is unknown")
    return float(record.model.parameters if name == "parameters" else record.model.macs)


def _validated(record: RunRecord, name: str) -> float:
    curve = [event for event in record.validations if not _missing(event, name)]
    if not curve:
        raise ValueError(f"run {record.run_id} has no validation with a {name}")
    evaluation = record.spec.config["evaluation"]
    if evaluation["select"] != "best":
        return float(curve[-1].values[name])
    chosen = best_of([event.values for event in curve], evaluation.get("select_by", "psnr"))
    return float(chosen[name])


def _missing(event: Validated, name: str) -> bool:
    value = event.values.get(name)
    return value is None or math.isnan(value) or event.values.get("psnr") is None


def _step_time(record: RunRecord) -> float:
    times = [event.values["step_ms"] for event in record.train if "step_ms" in event.values]
    if not times:
        raise ValueError(f"run {record.run_id} reported no step_ms")
    return float(median(times[1:] or times))
