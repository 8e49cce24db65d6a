"""The first trials of a search that knows nothing yet."""

from __future__ import annotations

import optuna
from optuna.study import StudyDirection

from tempo.core.records import Plan
from tempo.search.backend.log_level import quiet
from tempo.search.backend.samplers import make_sampler, sequence, suggest
from tempo.search.growing_plan import plan_of
from tempo.search.proposals import named
from tempo.search.space import Point, RejectedError, Space


def preview(space: Space, drawn: int) -> Plan:
    """What is enqueued, and up to `drawn` trials that follow, as a plan."""
    quiet()
    points = dict(named(space))
    for index in range(drawn):
        point = _drawn(space, index)
        if point is not None:
            points[f"trial-{index:03d}"] = point
    return plan_of(space, points, space.loaded.spec.seeds)


def _drawn(space: Space, index: int) -> Point | None:
    """The trial of a ticket before anything was found; None where it is no valid config."""
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
