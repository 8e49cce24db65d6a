"""From records to a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from tempo.compare.comparison import Comparison, Row
from tempo.compare.loading.load_runs import Sample, gather
from tempo.compare.loading.study_merge import merged
from tempo.compare.query import At, Query
from tempo.compare.sections.contrasts import Field, contrasts
from tempo.compare.sections.details import Details, full
from tempo.compare.sections.fairness import audit
from tempo.compare.sections.headline import headline
from tempo.compare.sections.provenance import (
    failures,
    fingerprint,
    fingerprint_of,
    protocols,
    run_infos,
    staleness,
)
from tempo.compare.sections.table import ranked, rows
from tempo.compare.statistics.fitted_study import Measured, measure
from tempo.compare.statistics.noise_floor import noise, powers
from tempo.compare.statistics.quantities import Contrast, Noise, Power
from tempo.core.records import Plan
from tempo.records.layout import Store

__all__ = ["compare", "compare_all", "fingerprint"]

DEFAULT = Query()


def compare(store: Store, plan: Plan, query: Query = DEFAULT) -> Comparison:
    """All contrasts of the runs of `plan` as recorded in `store`.

    Raises:
        RecordError: when no run has a result yet.
        TempoError: when the query names a variant, metric or factor that is not there.
    """
    return build(measure(gather(store, plan, query)))


def compare_all(studies: Sequence[tuple[Store, Plan]], query: Query = DEFAULT) -> Comparison:
    """Several studies as one; variants that share a name get their study's in front.

    Raises:
        as `compare`.
    """
    if len(studies) == 1:
        return compare(*studies[0], query)
    samples = [(plan.study, gather(store, plan, query)) for store, plan in studies]
    return build(measure(merged(samples)))


def build(measured: Measured) -> Comparison:
    """Everything a comparison holds."""
    sample, plan, query = measured.sample, measured.sample.plan, measured.sample.query
    found = _contrasts(measured)
    by_variant: dict[str, dict[str, Contrast]] = {}
    for each in found:
        by_variant.setdefault(each.variant, {})[each.metric] = each
    metrics = [info.name for info in measured.infos]
    estimated = [*metrics, *(info.name for info in measured.panels)]
    table = rows(sample, estimated, by_variant, measured.baseline)
    table = ranked(table, metrics[0], measured.primary.sign, measured.baseline)
    table = _ordered(table, query)
    meanings = protocols(sample, measured.baseline)
    primary = [each for each in found if each.metric == metrics[0]]
    floors = _noise(measured)
    power = _power(measured, primary)
    fair = audit(sample, measured.baseline)
    finished = sum(bool(run.values) for run in sample.runs)
    extra = full(measured, table) if query.detail == "full" else Details()
    return Comparison(
        study=plan.study,
        question=plan.question,
        profile=plan.profile,
        source=plan.source,
        spec=plan.spec,
        spec_hash=plan.spec_hash,
        baseline=measured.baseline,
        metric=metrics[0],
        metrics=measured.infos,
        panels=measured.panels,
        delta=measured.primary.delta,
        level=query.level,
        at=_at(sample),
        split="test" if query.at.kind == "final" else "val",
        complete=finished == len(sample.runs),
        planned_runs=len(sample.runs),
        finished_runs=finished,
        rankable=len(meanings) <= 1,
        protocols=meanings,
        headline=headline(measured, table, primary, floors, power, fair, meanings),
        rows=table,
        contrasts=tuple(found),
        main_effects=extra.main_effects,
        interactions=extra.interactions,
        aliases=extra.aliases,
        attribution=extra.attribution,
        noise=floors,
        power=power,
        fairness=fair,
        failures=failures(sample),
        exclusions=plan.exclusions,
        curves=extra.curves,
        health=extra.health,
        learning=extra.learning,
        budgets=extra.budgets,
        pareto=extra.pareto,
        strata=extra.strata,
        clip_table=extra.clip_table,
        gallery=extra.gallery,
        runs=run_infos(sample),
        fingerprint=fingerprint_of(sample),
        stale=staleness(sample),
        disagreements=extra.disagreements,
    )


def _contrasts(measured: Measured) -> list[Contrast]:
    """Every variant against the baseline, metric by metric."""
    baseline = measured.baseline
    if baseline is None:
        return []
    others = [each.name for each in measured.sample.variants if each.name != baseline]
    return [
        contrast
        for info in measured.infos
        for contrast in contrasts(
            Field(
                measured.sample,
                baseline,
                measured.terms(info),
                measured.models.get(info.name),
                measured.hashes,
            ),
            others,
        )
    ]


def _ordered(table: Sequence[Row], query: Query) -> tuple[Row, ...]:
    """Under --group-by, rows of one level stand together, in the order levels first appear."""
    if query.group_by is None:
        return tuple(table)
    groups = list(dict.fromkeys(row.group for row in table))
    return tuple(sorted(table, key=lambda row: (row.group is None, groups.index(row.group))))


def _noise(measured: Measured) -> tuple[Noise, ...]:
    if measured.baseline is None:
        return ()
    return tuple(
        noise(measured.models.get(info.name), measured.baseline, measured.terms(info))
        for info in measured.infos
    )


def _power(measured: Measured, primary: Sequence[Contrast]) -> tuple[Power, ...]:
    trained = {each.name for each in measured.sample.trained}
    counted = [each for each in primary if each.variant in trained]
    seeds = max((len(each.seeds) for each in counted), default=0)
    return powers(measured.model, counted, measured.primary, seeds)


def _at(sample: Sample) -> str:
    """Which checkpoint the numbers are of, as a sentence."""
    at: At = sample.query.at
    if at.kind == "final":
        return "the test split, of the checkpoint that each run chose on validation"
    if at.kind == "best-val":
        return (
            "the validation split at each run's best step, which was chosen on these same clips: "
            "an optimistic number"
        )
    steps = [a.total_steps for run in sample.runs if run.record for a in run.record.attempts]
    if steps and at.step is not None and at.step < max(steps):
        return (
            f"the validation split at step {at.step} of {max(steps)}, read mid-schedule: the "
            "learning rate was still high, so these are not final results"
        )
    return f"the validation split at step {at.step}"
