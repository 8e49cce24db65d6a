"""Give a search its first trials: those that the spec enqueues, and earlier studies' results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState, create_trial

from tempo.core.catalog import unknown
from tempo.core.errors import Place, RecordError, SpecError
from tempo.core.identity import short_hash
from tempo.core.records import Plan, PlannedVariant, RunStatus
from tempo.records.layout import Store, read_plan
from tempo.records.run_record import read_run
from tempo.tuning.backend.samplers import distribution
from tempo.tuning.space import Params, Point, RejectedError, Space
from tempo.tuning.trials import NAME, ORIGIN, RESULT, values_of

WARM = "warm_start"
"""User attribute: the study and variant that a known trial comes from."""


def enqueued(space: Space) -> Sequence[tuple[str, Point]]:
    """Return enqueued trials by name; raise SpecError for an unknown variant, factor or level."""
    out: list[tuple[str, Point]] = []
    for index, entry in enumerate(space.search.enqueue):
        place = space.place_of("search", "enqueue", index)
        if isinstance(entry, str):
            out.append((entry, space.variant(entry, place)))
            continue
        params = {**space.own, **_checked(space, entry, place)}
        kept: dict[str, str | float] = {}
        for parameter in space.parameters:
            if parameter.applies(kept):
                if parameter.name not in params:
                    raise SpecError(
                        f"the study's own {parameter.name} is no point of the space; name it here",
                        place,
                    )
                kept[parameter.name] = params[parameter.name]
        try:
            out.append((f"first-{index}", space.point(kept)))
        except RejectedError as error:
            raise SpecError(str(error), place) from error
    return out


def _checked(space: Space, entry: Mapping[str, str | float], place: Place) -> Params:
    known = {parameter.name: parameter for parameter in space.parameters}
    out: dict[str, str | float] = {}
    for name, value in entry.items():
        if name not in known:
            raise SpecError(unknown("factor of the space", name, known), place)
        parameter = known[name]
        if parameter.range is not None:
            if not parameter.contains(value):
                low, high = parameter.range.low, parameter.range.high
                raise SpecError(f"{name} ranges from {low:g} to {high:g}, not {value!r}", place)
            out[name] = value
            continue
        label = value if isinstance(value, str) else f"{value:g}"
        if label not in parameter.levels:
            raise SpecError(unknown(f"level of {name}:", label, parameter.levels), place)
        out[name] = label
    return out


def named(space: Space) -> Iterator[tuple[str, Point]]:
    """Yield the enqueued points under names that do not depend on their order."""
    for (name, point), entry in zip(enqueued(space), space.search.enqueue, strict=True):
        yield (name if isinstance(entry, str) else f"first-{short_hash(entry, 4)}"), point


def add_known(space: Space, storage: BaseStorage, name: str, store: Store) -> Mapping[str, int]:
    """Add what `warm_start` names, each variant once; return counts of why others were left out.

    Only a variant that is a point of the space counts: one that differs from the study in anything
    outside the space answers another question.

    Raises:
        SpecError: a study has no records.
    """
    if not space.search.warm_start:
        return {}
    study = optuna.study.Study(name, storage)
    there = {trial.user_attrs.get(WARM) for trial in study.get_trials(deepcopy=False)}
    skipped: Counter[str] = Counter()
    for source, plan, variant in _variants(space, store):
        key = f"{source}:{variant.name}"
        if key in there:
            continue
        there.add(key)
        params, outside = space.project(variant.config)
        if outside:
            skipped[f"differs in {', '.join(outside[:3])}"] += 1
            continue
        runs = _complete_runs(space, plan, variant, store)
        if not runs:
            skipped["has no complete run"] += 1
            continue
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                params=dict(params),
                distributions={
                    each.name: distribution(each)
                    for each in space.parameters
                    if each.name in params
                },
                values=[fmean(each) for each in zip(*(r["values"] for r in runs), strict=True)],
                user_attrs={WARM: key, NAME: key, ORIGIN: WARM, RESULT: {"runs": runs}},
            )
        )
    return skipped


def _variants(space: Space, store: Store) -> Iterator[tuple[str, Plan, PlannedVariant]]:
    for index, source in enumerate(space.search.warm_start):
        paths = sorted((store.study_dir(source) / "plans").glob("*.json"))
        if not paths:
            known = ", ".join(store.studies()) or "none"
            message = f"warm_start: no study {source!r} in {store.root} (known: {known})"
            raise SpecError(message, space.place_of("search", "warm_start", index))
        for path in paths:
            plan = read_plan(path)
            for variant in plan.variants:
                if variant.config["method"] == "network":
                    yield source, plan, variant


def _complete_runs(
    space: Space, plan: Plan, variant: PlannedVariant, store: Store
) -> list[dict[str, Any]]:
    """Return seed, run id and objectives of a variant's complete runs."""
    out: list[dict[str, Any]] = []
    for run in plan.runs:
        folder = store.run_dir(run.run_id)
        if run.variant != variant.name or run.seed is None or not folder.is_dir():
            continue
        try:
            record = read_run(folder)
            if record.status is RunStatus.COMPLETE:
                values = list(values_of(record, space.search.objectives))
                out.append({"seed": run.seed, "run_id": run.run_id, "values": values})
        except (RecordError, ValueError):
            # A run that cannot be read or lacks an objective tells nothing here.
            continue
    return out
