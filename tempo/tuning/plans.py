"""Express a search's trials as the plan of an ordinary study.

So the mirror, `compare.py` and all that reads plans can read a search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from tempo.core.identity import short_hash
from tempo.core.records import Plan, PlannedRun, PlannedVariant
from tempo.core.redaction import redacted
from tempo.design.expand import expand
from tempo.tuning.backend.samplers import make_sampler, sequence, suggest
from tempo.tuning.backend.storage import silence_optuna
from tempo.tuning.confirmation import Candidate
from tempo.tuning.given_trials import enqueued, named
from tempo.tuning.session import Search
from tempo.tuning.space import Point, RejectedError, Space
from tempo.tuning.trials import NAME, by_ticket, result_of, runs_of, variant_of


class GrowingPlan:
    """Builds the plan of a search as trials are added; each config is resolved once."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._points: dict[int, Point] = {}
        self._spec = _spec(search)
        self._reference_plan = expand(search.space.loaded)

    def now(self, confirmed: tuple[Candidate, ...] = ()) -> Plan:
        """Return the plan with every trial that has all its params."""
        variants: list[PlannedVariant] = []
        runs: list[PlannedRun] = []
        for name, point, seeds in self._entries(confirmed):
            variants.append(variant_of(name, point))
            runs += runs_of(name, point, seeds).values()
        if confirmed:
            # The methods without weights, evaluated like the trials.
            variants += [v for v in self._reference_plan.variants if v.role == "reference"]
            runs += [run for run in self._reference_plan.runs if run.seed is None]
        return _plan(self._search.space, variants, runs, self._spec, short_hash(self._spec))

    def _entries(
        self, confirmed: tuple[Candidate, ...]
    ) -> Iterator[tuple[str, Point, tuple[int, ...]]]:
        for frozen in by_ticket(self._search.trials()).values():
            point = self._point(frozen)
            if point is not None:
                begun = [run["seed"] for run in result_of(frozen).get("runs", ())]
                yield str(frozen.user_attrs[NAME]), point, tuple(begun or self._search.seeds)
        for each in confirmed:
            yield each.variant, each.point, tuple(each.runs)

    def _point(self, frozen: FrozenTrial) -> Point | None:
        """Return the point of a trial; None while another driver still decides about it."""
        if frozen.number not in self._points:
            try:
                self._points[frozen.number] = self._search.proposals.point_of(frozen)
            except RejectedError:
                return None
        return self._points[frozen.number]


def _spec(search: Search) -> Mapping[str, Any]:
    """Return the spec as JSON values, without the password of its storage."""
    spec: dict[str, Any] = search.space.loaded.spec.model_dump(mode="json")
    if spec["search"]["storage"]:
        spec["search"]["storage"] = redacted(spec["search"]["storage"])
    return spec


def rehearsal(space: Space) -> Plan:
    """Return a plan of one seed to preflight: the study as it is, what is enqueued, every level."""
    points: dict[str, Point] = {"the study as it is": space.base}
    points |= dict(enqueued(space))
    for parameter in space.parameters:
        for label in parameter.levels:
            try:
                point = space.with_level(parameter, label)
            except RejectedError:
                continue
            points[f"{parameter.name}={label}"] = point
    distinct = {tuple(point.resolved.key): name for name, point in points.items()}
    kept = {name: points[name] for name in distinct.values()}
    return plan_of(space, kept, space.loaded.spec.seeds[:1])


def plan_of(space: Space, points: Mapping[str, Point], seeds: Sequence[int]) -> Plan:
    """Return points as the plan of an ordinary study."""
    variants = [variant_of(name, point) for name, point in points.items()]
    runs = [r for name, p in points.items() for r in runs_of(name, p, seeds).values()]
    return _plan(space, variants, runs, space.loaded.spec.model_dump(mode="json"))


def _plan(
    space: Space,
    variants: Sequence[PlannedVariant],
    runs: Sequence[PlannedRun],
    spec: Mapping[str, Any],
    spec_hash: str = "",
) -> Plan:
    loaded = space.loaded
    return Plan(
        study=loaded.spec.study,
        question=loaded.spec.question,
        profile=loaded.profile,
        source=loaded.source,
        spec=spec,
        spec_hash=spec_hash,
        baseline=None,
        variants=tuple(variants),
        runs=tuple(runs),
    )


def preview(space: Space, drawn: int) -> Plan:
    """Return the plan of a new search's first trials: what is enqueued, and up to `drawn` more."""
    silence_optuna()
    points = dict(named(space))
    for index in range(drawn):
        point = _drawn(space, index)
        if point is not None:
            points[f"trial-{index:03d}"] = point
    return plan_of(space, points, space.loaded.spec.seeds)


def _drawn(space: Space, index: int) -> Point | None:
    """Return a ticket's trial in a search without results; None for an invalid config."""
    fixed = sequence(space)
    if fixed is not None:
        params = next((p for i, p in enumerate(fixed) if i == index), None)
        if params is None:
            return None
    else:
        sampler = make_sampler(space.search.sampler, str(index), 0, seed=space.search.seed)
        directions = [StudyDirection.MAXIMIZE] * len(space.search.objectives)
        study = optuna.create_study(directions=directions, sampler=sampler)
        params = suggest(study.ask(), space)
    try:
        return space.point(params)
    except RejectedError:
        return None
