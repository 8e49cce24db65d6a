"""Read what a study shows while its runs are carried out: curves and failures, and no verdict.

Looking at verdicts before a study is over costs a part of its error rate, and is recorded. What is
watched for hours is therefore read without them: no test figures, no means over seeds of results,
no contrasts.
"""

from __future__ import annotations

from typing import Literal

from tempo.comparison.comparison import Comparison, Cost, Row
from tempo.comparison.loading.load_runs import Sample, load_runs
from tempo.comparison.query import Query
from tempo.comparison.registered_rule import RegisteredRule
from tempo.comparison.sections import provenance
from tempo.comparison.sections.curves import health_curves, learning_curves
from tempo.core.records import MetricInfo, Plan, RunStatus
from tempo.records.layout import Store

MOST_CURVES = 2
"""Metrics of which validation curves are shown."""


def in_progress(store: Store, plan: Plan) -> Comparison:
    """Return curves, failures and runs of a study as they stand, without results and verdicts.

    Raises:
        RecordError: when the log of its looks cannot be read.
    """
    registered = RegisteredRule.of(store, plan)
    query = Query().under(registered.rule)
    sample = load_runs(store, plan, query)
    infos = _validated(sample)
    finished = sum(run.status is RunStatus.COMPLETE for run in sample.runs)
    return Comparison(
        study=plan.study,
        question=plan.question,
        profile=plan.profile,
        source=plan.source,
        spec=plan.spec,
        spec_hash=plan.spec_hash,
        baseline=plan.baseline,
        metric=infos[0].name if infos else sample.metric,
        metrics=infos,
        delta=None,
        level=query.coverage,
        at="the validation split",
        split="val",
        complete=finished == len(sample.runs),
        planned_runs=len(sample.runs),
        finished_runs=finished,
        rankable=False,
        protocols=(),
        headline=(),
        rows=tuple(_row(sample, place) for place in range(len(sample.variants))),
        contrasts=(),
        rule=registered.rule,
        rules=registered.log.rules,
        looks=registered.log.looks,
        noise=(),
        power=(),
        fairness=(),
        failures=provenance.failures(sample),
        exclusions=plan.exclusions,
        curves=learning_curves(sample, [info.name for info in infos]),
        health=health_curves(sample),
        runs=(),
        fingerprint=provenance.fingerprint(sample),
    )


def _row(sample: Sample, place: int) -> Row:
    """Return a variant as a name with a role, which is what figures need of it."""
    variant = sample.variants[place]
    runs = sample.of(variant.name)
    done = sum(run.status is RunStatus.COMPLETE for run in runs)
    state: Literal["complete", "partial"] = "complete" if done == len(runs) else "partial"
    return Row(
        variant=variant.name,
        role=variant.role,
        state=state,
        levels=variant.levels,
        seeds=done,
        planned_seeds=len(runs),
        estimates={},
        contrasts={},
        cost=Cost(),
        protocol_hash=None,
        checkpoint="",
    )


def _validated(sample: Sample) -> tuple[MetricInfo, ...]:
    """Return the metrics that validations measured, the primary one first."""
    names: dict[str, None] = {}
    known: dict[str, MetricInfo] = {}
    for run in sample.runs:
        for each in run.record.validations[-1:] if run.record else ():
            names |= dict.fromkeys(each.values)
        if run.test is not None:
            known |= {name: MetricInfo(**info) for name, info in run.test.infos.items()}
    first = sample.query.metric or "psnr"
    ordered = sorted(names, key=lambda name: (name != first, name not in {"psnr", "ssim"}))
    return tuple(known.get(name) or _bare(name) for name in ordered[:MOST_CURVES])


def _bare(name: str) -> MetricInfo:
    """Return a metric that no test evaluation has described yet."""
    return MetricInfo(
        name=name,
        unit="dB" if name.startswith("psnr") else "",
        better="higher",
        digits=2 if name.startswith("psnr") else 4,
        definition="validation",
    )
