"""Build a comparison from the records of studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tempo.comparison.comparison import Comparison, Row
from tempo.comparison.contrasts import judge
from tempo.comparison.fitted_study import FittedStudy, fit_study
from tempo.comparison.loading.kept_pictures import kept_pictures
from tempo.comparison.loading.load_runs import Sample, load_runs, merge_samples
from tempo.comparison.query import Query
from tempo.comparison.registered_rule import SEVERAL, RegisteredRule, check_rule
from tempo.comparison.sections import provenance
from tempo.comparison.sections.attribution import attribution
from tempo.comparison.sections.budgets import budget_views, pareto_fronts
from tempo.comparison.sections.curves import health_curves, learning, learning_curves
from tempo.comparison.sections.factor_effects import effects
from tempo.comparison.sections.fairness import fairness_differences
from tempo.comparison.sections.gallery import clip_table, disagreements, gallery, strata
from tempo.comparison.sections.headline import headline
from tempo.comparison.sections.table import rank_rows, table_rows
from tempo.comparison.statistics.power import detectable_differences, noise_floor
from tempo.comparison.statistics.quantities import Contrast
from tempo.core.records import MetricInfo, Plan
from tempo.records.layout import Store
from tempo.spec.verdict import listed, rule_of

DEFAULT = Query()


def compare(
    store: Store,
    plan: Plan,
    query: Query = DEFAULT,
    registered: RegisteredRule | None = None,
) -> Comparison:
    """Return all contrasts of the runs of `plan` as recorded in `store`.

    `registered`: the rule and its log, where they are not the recorded ones. Nothing is written:
    whoever shows the comparison records its `look`.

    Raises:
        RecordError: when no run has a result yet, or the log of looks is damaged.
        TempoError: when the query names a variant, metric or factor that is not there.
    """
    registered = registered or RegisteredRule.of(store, plan)
    sample = load_runs(store, plan, query.under(registered.rule))
    return _build(fit_study(sample), registered, query)


def compare_all(studies: Sequence[tuple[Store, Plan]], query: Query = DEFAULT) -> Comparison:
    """Compare several studies as one; variants that share a name get their study's in front.

    Raises:
        as `compare`.
    """
    if len(studies) == 1:
        return compare(*studies[0], query)
    registered = RegisteredRule(rule_of(studies[0][1]), unfixed=SEVERAL)
    asked = query.under(registered.rule)
    samples = [(plan.study, load_runs(store, plan, asked)) for store, plan in studies]
    return _build(fit_study(merge_samples(samples)), registered, query)


def _build(study: FittedStudy, registered: RegisteredRule, asked: Query) -> Comparison:
    sample, plan, query = study.sample, study.sample.plan, study.sample.query
    check = check_rule(registered, asked, study)
    judged = judge(study, check)
    found = judged.contrasts
    primary = [each for each in found if each.metric == study.metric]
    table = _table(study, found)
    meanings = provenance.protocols(sample, study.baseline)
    floors = tuple(
        noise_floor(study.models.get(info.name), study.baseline, study.settings(info))
        for info in study.infos
        if study.baseline is not None
    )
    trained = {each.name for each in sample.trained}
    counted = [each for each in primary if each.variant in trained]
    seeds = max((len(each.seeds) for each in counted), default=0)
    power = detectable_differences(study.model, counted, study.primary, seeds)
    fair = fairness_differences(sample)
    finished = sum(bool(run.values) for run in sample.runs)
    comparison = Comparison(
        study=plan.study,
        question=plan.question,
        profile=plan.profile,
        source=plan.source,
        spec=plan.spec,
        spec_hash=plan.spec_hash,
        baseline=study.baseline,
        metric=study.metric,
        metrics=study.infos,
        panels=study.panels,
        delta=study.primary.delta,
        level=query.coverage,
        at=_at(sample),
        split="test" if query.at.kind == "final" else "val",
        complete=finished == len(sample.runs),
        planned_runs=len(sample.runs),
        finished_runs=finished,
        rankable=len(meanings) <= 1,
        protocols=meanings,
        headline=headline(study, table, check, judged, floors, power, fair, meanings),
        rows=table,
        contrasts=found,
        rule=registered.rule,
        rules=registered.log.rules,
        exploratory=check.reasons,
        looks=registered.log.looks,
        look=judged.look,
        noise=floors,
        power=power,
        fairness=fair,
        failures=provenance.failures(sample),
        exclusions=plan.exclusions,
        runs=provenance.run_infos(sample),
        fingerprint=provenance.fingerprint(sample),
        stale=provenance.staleness(sample),
    )
    return _with_details(comparison, study) if query.detail == "full" else comparison


def _with_details(comparison: Comparison, study: FittedStudy) -> Comparison:
    """Add what a report shows beyond the table, as far as the records allow."""
    metrics = [info.name for info in study.infos]
    main_effects, interactions, aliases = effects(study)
    kept = kept_pictures(study.sample)
    return replace(
        comparison,
        headline=(*comparison.headline, *([kept.sentence] if kept.sentence else [])),
        main_effects=main_effects,
        interactions=interactions,
        aliases=aliases,
        attribution=attribution(study),
        curves=learning_curves(study.sample, metrics),
        health=health_curves(study.sample),
        learning=learning(study),
        budgets=budget_views(study, comparison.rows),
        pareto=pareto_fronts(study, comparison.rows),
        strata=strata(study),
        clip_table=clip_table(study.clips, metrics),
        gallery=gallery(study, kept),
        disagreements=disagreements(study, kept),
    )


def _table(study: FittedStudy, found: Sequence[Contrast]) -> tuple[Row, ...]:
    """Return the ranked rows; those of one level stand together where the query groups them."""
    by_variant: dict[str, dict[str, Contrast]] = {}
    for each in found:
        by_variant.setdefault(each.variant, {})[each.metric] = each
    estimated = [info.name for info in (*study.infos, *study.panels)]
    table = table_rows(study, estimated, by_variant)
    table = rank_rows(table, study.metric, study.primary.sign, study.baseline)
    if study.sample.query.group_by is None:
        return table
    groups = list(dict.fromkeys(row.group for row in table))
    return tuple(sorted(table, key=lambda row: (row.group is None, groups.index(row.group))))


def _by(sample: Sample) -> str:
    """Return by which metrics checkpoints were chosen, where some were by another one than psnr."""
    chosen = [each.config.get("evaluation", {}).get("select_by", "psnr") for each in sample.trained]
    if set(chosen) <= {"psnr"}:
        return ""
    infos = {name: info for run in sample.runs if run.test for name, info in run.test.infos.items()}
    titles = [MetricInfo(**infos[name]).title if name in infos else name for name in chosen]
    return f" by {listed(list(dict.fromkeys(titles)))}"


def _at(sample: Sample) -> str:
    """Return which checkpoint the numbers are of, as a sentence."""
    at = sample.query.at
    if at.kind == "final":
        chosen = {run.test.checkpoint for run in sample.runs if run.test} - {"none"}
        if chosen == {"last"}:
            return "the test split, of the last step of each run"
        if chosen <= {"best"}:
            return (
                f"the test split, of the checkpoint that each run chose on validation{_by(sample)}"
            )
        return "the test split, of the checkpoints that each run's `evaluation.select` names"
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
