"""Build a comparison from the records of studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tempo.comparison.best_rows import best_rows
from tempo.comparison.comparison import Comparison, Row, SetComparison
from tempo.comparison.contrasts import Judged, judge
from tempo.comparison.differences.build_differences import from_baseline
from tempo.comparison.evidence import Stratum
from tempo.comparison.fitted_study import FittedStudy, fit_study
from tempo.comparison.loading.kept_pictures import kept_pictures
from tempo.comparison.loading.load_runs import load_runs, merge_samples
from tempo.comparison.query import Query
from tempo.comparison.registered_rule import SEVERAL, RegisteredRule, RuleCheck, check_rule
from tempo.comparison.sections import provenance
from tempo.comparison.sections.attribution import attribution
from tempo.comparison.sections.budgets import budget_views, pareto_fronts
from tempo.comparison.sections.curves import health_curves, learning, learning_curves
from tempo.comparison.sections.factor_effects import effects
from tempo.comparison.sections.fairness import fairness_differences
from tempo.comparison.sections.gallery import clip_table, disagreements, gallery, strata
from tempo.comparison.sections.headline import headline
from tempo.comparison.sections.table import rank_rows, table_rows
from tempo.comparison.sections.test_set_notes import (
    family_sentences,
    set_sentences,
    sets_together,
)
from tempo.comparison.sections.where_read import where_read
from tempo.comparison.set_families import FittedSet, fit_sets, judge_sets
from tempo.comparison.statistics.power import detectable_differences, noise_floor
from tempo.comparison.statistics.quantities import Contrast
from tempo.core.catalog import unknown
from tempo.core.errors import NoResultError, TempoError
from tempo.core.records import Plan, PlannedTestSet
from tempo.core.startup import uncollected
from tempo.records.layout import Store
from tempo.records.memory.derived_values import remembering
from tempo.spec.verdict import rule_of

DEFAULT = Query()


def compare(
    store: Store,
    plan: Plan,
    query: Query = DEFAULT,
    registered: RegisteredRule | None = None,
) -> Comparison:
    """Return all contrasts of the runs of `plan` as recorded in `store`, and on its test sets.

    `registered`: the rule and its log, where they are not the recorded ones. Nothing is written:
    whoever shows the comparison records its `look`.

    Raises:
        RecordError: when no run has a result yet, or the log of looks is damaged.
        TempoError: when the query names a variant, metric or factor that is not there.
    """
    registered = registered or RegisteredRule.of(store, plan)
    with remembering(store.root), uncollected():
        sample = load_runs(store, plan, query.under(registered.rule))
        return _build(fit_study(sample), registered, query)


def compare_on(store: Store, plan: Plan, test_set: str, query: Query = DEFAULT) -> Comparison:
    """Return the comparison of a study on one of its further test sets.

    The verdicts are those of the family that all sets of the study share.

    Raises:
        NoResultError: when no evaluation on the set has finished.
        TempoError: as `compare`, and when the study has no such set.
    """
    known = {each.name: each for each in plan.test_sets}
    if not known:
        raise TempoError(
            f"the study {plan.study!r} has no further test sets, so that nothing is judged on "
            f"{test_set!r}; `evaluation: {{test_sets: [...]}}` of its spec names some"
        )
    if test_set not in known:
        raise TempoError(unknown("test set", test_set, known))
    if query.at.kind != "final":
        raise TempoError(
            f"test sets are judged at the end of training, so that nothing stands at {query.at} "
            f"on {test_set!r}; leave `at` out"
        )
    registered = RegisteredRule.of(store, plan)
    study = fit_study(load_runs(store, plan, query.under(registered.rule)))
    check = check_rule(registered, query, study)
    judged = judge(study, check)
    own = _comparison(study, registered, check, judged)
    pairs = _on_sets(study, own, registered, query, check, judged)
    said = family_sentences(own, [_set_comparison(*each, study) for each in pairs])
    for fitted, found in pairs:
        if fitted.name == test_set and found is not None and fitted.study is not None:
            there = replace(found, headline=(*found.headline, *said))
            return _with_details(there, fitted.study) if query.detail == "full" else there
    planned = len(known[test_set].runs)
    raise NoResultError(
        f"no evaluation of {plan.study!r} on {test_set!r} has finished yet ({planned} planned)"
    )


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
    check = check_rule(registered, asked, study)
    judged = judge(study, check)
    own = _comparison(study, registered, check, judged)
    pairs = _on_sets(study, own, registered, asked, check, judged)
    sets = tuple(_set_comparison(fitted, found, study) for fitted, found in pairs)
    if sets:
        own = replace(own, test_sets=sets, on_sets=sets_together(own, sets))
    return _with_details(own, study) if study.sample.query.detail == "full" else own


def _on_sets(
    study: FittedStudy,
    own: Comparison,
    registered: RegisteredRule,
    asked: Query,
    check: RuleCheck,
    judged: Judged,
) -> list[tuple[FittedSet, Comparison | None]]:
    """Return each further test set with the comparison there; None where nothing has finished."""
    sets = fit_sets(study)
    words = judge_sets(study, check, judged, sets)
    costs = {row.variant: replace(row.cost, gain_per_hour=None) for row in own.rows}
    made: list[tuple[FittedSet, Comparison | None]] = []
    for each in sets:
        found = None
        if each.study is not None:
            there = check_rule(registered, asked, each.study)
            given = Judged(contrasts=words[each.name])
            found = _comparison(each.study, registered, there, given, each.planned)
            rows = [replace(row, cost=costs.get(row.variant, row.cost)) for row in found.rows]
            found = replace(found, rows=tuple(rows), strata=_strata(each.study))
        made.append((each, found))
    return made


def _strata(study: FittedStudy) -> tuple[Stratum, ...]:
    return strata(study) if study.sample.query.detail == "full" else ()


def _set_comparison(fitted: FittedSet, found: Comparison | None, own: FittedStudy) -> SetComparison:
    runs = fitted.sample.runs
    known = {each.name for each in own.sample.variants}
    return SetComparison(
        name=fitted.name,
        title=fitted.planned.title,
        planned_runs=len(runs),
        finished_runs=sum(bool(run.values) for run in runs),
        found=found,
        sentences=set_sentences(fitted),
        methods=tuple(each.name for each in fitted.sample.variants if each.name not in known),
    )


def _comparison(
    study: FittedStudy,
    registered: RegisteredRule,
    check: RuleCheck,
    judged: Judged,
    test_set: PlannedTestSet | None = None,
) -> Comparison:
    """Return what a table shows of a comparison, on a further test set where one is given."""
    sample, plan, query = study.sample, study.sample.plan, study.sample.query
    found = judged.contrasts
    primary = [each for each in found if each.metric == study.metric]
    table = _table(study, found)
    meanings = provenance.protocols(sample, study.baseline)
    floors = tuple(
        noise_floor(study.models.get(info.name), study.baseline, study.settings(info))
        for info in study.infos
        if study.baseline is not None and sample.done(study.baseline)
    )
    trained = {each.name for each in sample.trained}
    counted = [each for each in primary if each.variant in trained]
    seeds = max((len(each.seeds) for each in counted), default=0)
    power = detectable_differences(study.model, counted, study.primary, seeds)
    fair = fairness_differences(sample)
    finished = sum(bool(run.values) for run in sample.runs)
    split = "test" if query.at.kind == "final" else "val"
    return Comparison(
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
        at=where_read(sample, "the test split" if test_set is None else test_set.title),
        split=split if test_set is None else test_set.title,
        test_set=None if test_set is None else test_set.name,
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
        looks=registered.log.looks if test_set is None else (),
        look=judged.look,
        noise=floors,
        power=power,
        fairness=fair,
        failures=provenance.failures(sample),
        exclusions=plan.exclusions,
        runs=provenance.run_infos(sample),
        fingerprint=provenance.fingerprint(sample),
        stale=provenance.staleness(sample),
        best=best_rows(study),
    )


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
        from_baseline=from_baseline(study.sample, study.baseline),
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
