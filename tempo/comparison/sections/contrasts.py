"""Contrast every variant with the baseline, in one metric."""

from __future__ import annotations

from collections.abc import Sequence

from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.load_runs import Sample
from tempo.comparison.statistics.hypothesis_tests import AdjustedResult, TestSettings, holm_family
from tempo.comparison.statistics.quantities import Contrast
from tempo.core.records import MetricInfo


def contrasts(study: FittedStudy, info: MetricInfo) -> list[Contrast]:
    """Return all variants minus the baseline; one family for trained ones, one for references.

    A contrast that cannot be made is there as well, with the reason.
    """
    baseline = study.baseline
    if baseline is None:
        return []
    variants = [each for each in study.sample.variants if each.name != baseline]
    found: dict[str, Contrast] = {}
    for label, is_reference in (("variants", False), ("references", True)):
        names = [each.name for each in variants if (each.role == "reference") == is_reference]
        found |= _family(study, study.settings(info), baseline, names, label)
    return [found[each.name] for each in variants]


def _family(
    study: FittedStudy, settings: TestSettings, baseline: str, names: Sequence[str], label: str
) -> dict[str, Contrast]:
    tested = {name: study.test(settings, name, baseline) for name in names}
    judged = holm_family(tested, settings)
    size = sum(each.test is not None for each in judged.values())
    family = f"{settings.info.name}: {label} ({size})"
    return {
        name: _contrast(study, settings, (name, baseline), each, family)
        for name, each in judged.items()
    }


def _contrast(
    study: FittedStudy,
    settings: TestSettings,
    pair: tuple[str, str],
    judged: AdjustedResult,
    family: str,
) -> Contrast:
    test, model = judged.test, study.models.get(settings.info.name)
    combination = test.combination if test else None
    matrix = model.matrix if test and model else None
    seeds = combination.seeds if combination else ()
    return Contrast(
        variant=pair[0],
        baseline=pair[1],
        metric=settings.info.name,
        difference=judged.interval,
        p=judged.p,
        p_adjusted=judged.p_adjusted,
        verdict=judged.verdict,
        delta=settings.delta,
        family=family,
        components=combination.components if combination else None,
        seeds=seeds,
        planned_n=_planned_pairs(study.sample, pair),
        clips=matrix.clips if matrix else 0,
        sources=matrix.sources if matrix and matrix.clips else 0,
        values=combination.per_seed if combination else (),
        run_ids=tuple(
            (_run_id(study.sample, pair[0], seed), _run_id(study.sample, pair[1], seed))
            for seed in seeds
        ),
    )


def _planned_pairs(sample: Sample, pair: tuple[str, str]) -> int:
    """Return how many pairs were planned: a reference pairs with every seed of the baseline."""
    seeds = [{run.seed for run in sample.of(name)} for name in pair]
    counted = [each for each in seeds if each != {None}]
    return len(set.intersection(*counted)) if counted else 0


def _run_id(sample: Sample, name: str, seed: int) -> str:
    return sample.run_ids.get((name, seed)) or sample.run_ids[name, None]
