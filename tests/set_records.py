"""Write the records of evaluations on further test sets, with planted effects for each set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tempo.core.identity import short_hash
from tempo.core.records import Parent, Plan, PlannedRun, PlannedTestSet, PlannedVariant, RunSpec
from tempo.records.event_log import EventLog
from tempo.records.events import AttemptStarted, Finished
from tempo.records.layout import Store
from tests.record_generator import Arm, Draw, Study, _evaluated


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """A further test set: by arm the gain in dB on it, and methods of others.

    `left` are (variant, seed) that were not evaluated yet; `broken` those whose evaluation failed;
    `sizes` the clips of each source, where they differ. `metrics`: those that the set measures.
    """

    __test__ = False
    name: str
    title: str = ""
    gains: Mapping[str, float] = field(default_factory=dict)
    methods: Sequence[Arm] = ()
    clips: int = 40
    sources: int = 8
    left: frozenset[tuple[str, int | None]] = frozenset()
    broken: frozenset[tuple[str, int | None]] = frozenset()
    metrics: tuple[str, ...] = ("psnr", "ssim", "ie", "edge")


def write_sets(store: Store, study: Study, plan: Plan, sets: Sequence[TestSet]) -> Plan:
    """Write the evaluations of a study on further sets; return its plan with them, saved."""
    planned = tuple(_planned(study, plan, each) for each in sets)
    whole = replace(plan, test_sets=planned)
    store.save_plan(whole)
    for place, each in enumerate(sets):
        _write(store, study, whole, each, place)
    return whole


def _planned(study: Study, plan: Plan, each: TestSet) -> PlannedTestSet:
    methods = tuple(
        PlannedVariant(name=arm.name, role="reference", levels={}, config={"other": arm.name})
        for arm in each.methods
    )
    runs = [
        PlannedRun(
            run_id=short_hash([each.name, run.run_id]),
            variant=run.variant,
            seed=run.seed,
            parents=() if run.seed is None else (Parent(source=run.title, run_id=run.run_id),),
        )
        for run in plan.runs
    ]
    runs += [
        PlannedRun(run_id=short_hash([each.name, study.name, m.name]), variant=m.name, seed=None)
        for m in methods
    ]
    title, options = each.title or each.name, {"set": each.name}
    return PlannedTestSet(
        name=each.name, title=title, options=options, runs=tuple(runs), methods=methods
    )


def _write(store: Store, study: Study, plan: Plan, each: TestSet, place: int) -> None:
    """Write every evaluation as a run that trained nothing."""
    gains = each.gains
    arms = [replace(arm, gain=gains.get(arm.name, arm.gain)) for arm in study.arms]
    here = replace(
        study,
        arms=[*arms, *each.methods],
        clips=each.clips,
        sources=each.sources,
        stream=study.stream + 100 * (place + 1),
    )
    draw, there = Draw(here), plan.on(each.name)
    by_name = {arm.name: arm for arm in here.arms}
    for run in there.runs:
        if (run.variant, run.seed) in each.left:
            continue
        config = there.variant(run.variant).config
        spec = RunSpec(run_id=run.run_id, seed=run.seed, config=config, parents=run.parents)
        folder = store.save_run(spec)
        arm, values = by_name[run.variant], draw.values(by_name[run.variant], run.seed)
        protocol = {"data": each.name, **arm.protocol}
        arm = replace(arm, protocol=protocol)
        with EventLog(folder, attempt=1) as log:
            environment = {"device": "cpu", "code_stamp": "planted"}
            log.append(AttemptStarted(resumed_step=0, total_steps=0, environment=environment))
            if (run.variant, run.seed) in each.broken:
                log.append(_failed())
                continue
            told = _evaluated(folder, here, arm, np.asarray(values), draw, study.steps)
            kept = {name: value for name, value in told.values.items() if name in each.metrics}
            infos = {name: told.infos[name] for name in each.metrics}
            log.append(replace(told, values=kept, infos=infos))
            log.append(Finished(status="complete", step=0, seconds=4.0, train_seconds=0.0,
                                peak_memory=2**28))  # fmt: skip


def _failed() -> Finished:
    return Finished(status="failed", step=0, seconds=1.0, train_seconds=0.0, peak_memory=0,
                    failure="data", message="a clip is missing", detail="")  # fmt: skip
