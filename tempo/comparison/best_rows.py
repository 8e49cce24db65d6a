"""Find the best row of each metric, and the rows that cannot be told apart from it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tempo.comparison.evidence import Best
from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.loading.load_runs import ranked_protocol
from tempo.comparison.statistics import student_t
from tempo.comparison.statistics.hypothesis_tests import TestResult
from tempo.comparison.statistics.quantities import TestSettings
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.core.records import MetricInfo


def best_rows(study: FittedStudy) -> tuple[Best, ...]:
    """Return for each metric the row of the best mean with what is worse, and what is not.

    Every row is compared with the best one by the paired model of all contrasts, with Holm's
    correction over the rows: a row that is truly as good as the best is called worse in at most the
    share `alpha` of all tables. Rows under another protocol than the baseline's are left out.
    """
    return tuple(_found(study))


def _found(study: FittedStudy) -> Iterator[Best]:
    ranked = ranked_protocol(study.hashes, study.baseline)
    names = [name for name, own in study.hashes.items() if own in (ranked, None)]
    for info in study.infos:
        settings = study.settings(info)
        means = {name: study.mean(name, info.name) for name in names}
        known = {name: mean for name, mean in means.items() if mean is not None}
        if not known:
            continue
        best = max(known, key=lambda name: settings.sign * known[name])
        others = [name for name in known if name != best]
        p = {name: _p_value(study, info, settings, name, best) for name in others}
        tested = {name: each for name, each in p.items() if each is not None}
        adjusted = dict(zip(tested, student_t.holm([*tested.values()]), strict=True))
        worse = tuple(name for name in adjusted if adjusted[name] <= settings.alpha)
        yield Best(
            metric=info.name,
            best=best,
            alpha=settings.alpha,
            behind={name: (known[name] - known[best], adjusted.get(name)) for name in others},
            worse=worse,
            not_worse=tuple(name for name in others if name not in worse),
        )


def _p_value(
    study: FittedStudy, info: MetricInfo, settings: TestSettings, name: str, best: str
) -> float | None:
    """Return p of a row's difference from the best; None where nothing can be told."""
    model = study.models.get(info.name)
    if model is None or not all(each in model.matrix.variants for each in (name, best)):
        return None
    if all(model.matrix.seeds_of(each) == (None,) for each in (name, best)):
        return _p_of_clips(model, name, best)
    found = study.test(settings, name, best)
    return found.p if isinstance(found, TestResult) and found.testable else None


def _p_of_clips(model: RandomEffects, name: str, best: str) -> float | None:
    """Return p of two rows that have no seeds: the draw of sources is all that can differ."""
    matrix = model.matrix
    if not matrix.samples_clips:
        return None
    rows = np.concatenate([matrix.rows_of(name), matrix.rows_of(best)])
    found = model.weighted(rows, np.array([1.0, -1.0]))
    return student_t.two_sided(found.value, found.parts.source**0.5, found.parts.source_df)
