"""The noise floor of a study, and what its seeds can detect."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tempo.compare.statistics import student_t as student
from tempo.compare.statistics.hypothesis_tests import Terms
from tempo.compare.statistics.power import Plan, detectable
from tempo.compare.statistics.quantities import Contrast, Noise, Power
from tempo.compare.statistics.random_effects import Crossed

ASKED = (3, 5, 10)
"""Numbers of seeds for which the report says what they would detect."""


def noise(model: Crossed | None, baseline: str, terms: Terms) -> Noise:
    """How far apart two means of one variant fall by seed alone, with the seeds there are.

    From the seed variance that all trained variants share; with one variant, from its own.
    """
    seeds = len(_seeds(model, baseline))
    variance, df, pooled = _seed_variance(model, baseline)
    if df == 0:
        return Noise(
            metric=terms.info.name,
            seed_sd=None,
            seeds=seeds,
            df=None,
            floor=None,
            pooled=False,
            sentence="No noise floor: it takes two seeds of a variant to see one.",
        )
    sd = math.sqrt(variance)
    floor = student.quantile(0.5 + terms.level / 2, df) * sd * math.sqrt(2 / max(seeds, 1))
    size = _number(floor, terms)
    return Noise(
        metric=terms.info.name,
        seed_sd=sd,
        seeds=seeds,
        df=df,
        floor=floor,
        pooled=pooled,
        sentence=(
            f"Two means of the same variant over {_count(seeds)} differ by up to {size} by seed "
            f"alone ({terms.level:.0%} of the time): a smaller gain is noise."
        ),
    )


def _seeds(model: Crossed | None, baseline: str) -> tuple[int | None, ...]:
    return model.panel.seeds_of(baseline) if model else ()


def _seed_variance(model: Crossed | None, baseline: str) -> tuple[float, int, bool]:
    if model is None:
        return 0.0, 0, False
    variance, df = model.pooled_seed
    if df:
        return variance, df, True
    panel = model.panel
    means = panel.means[panel.rows(baseline, panel.common_seeds([baseline]))]
    if len(means) < 2:
        return 0.0, 0, False
    return float(np.var(means, ddof=1)), len(means) - 1, False


def powers(
    model: Crossed | None, contrasts: Sequence[Contrast], terms: Terms, seeds: int
) -> tuple[Power, ...]:
    """What `seeds` and other numbers of seeds detect in a typical contrast of this study."""
    plan = typical(model, contrasts)
    if plan is None:
        return ()
    asked = sorted({*ASKED, *([seeds] if seeds else [])})
    return tuple(_power(plan, each, terms) for each in asked)


def typical(model: Crossed | None, contrasts: Sequence[Contrast]) -> Plan | None:
    """The noise of the study's median trained contrast; None when nothing was measured."""
    if model is None:
        return None
    found = [each for each in contrasts if each.components and each.components.seed is not None]
    variance, df = model.pooled_seed
    if not found or not df:
        return None
    variants = len(set(model.panel.variant[model.trained]))
    sources = [model.contrast({each.variant: 1.0, each.baseline: -1.0}) for each in found]
    spread = [max(s.parts.source - s.parts.both, 0.0) for s in sources if s is not None]
    return Plan(
        seed=2 * variance,
        source=float(np.median(spread)),
        both=2 * model.pooled_both,
        source_df=model.panel.source_df if model.panel.samples_clips else math.inf,
        variants=variants,
    )


def _power(plan: Plan, seeds: int, terms: Terms) -> Power:
    found = detectable(plan, seeds, alpha=terms.alpha, power=terms.power)
    if found is None:
        said = f"{_count(seeds)} detect no difference, however large: 3 are the fewest."
    else:
        said = (
            f"{_count(seeds)} detect a difference of {_number(found, terms)} or more with "
            f"{terms.power:.0%} probability (one contrast, two-sided {terms.alpha:.0%})."
        )
    return Power(
        metric=terms.info.name,
        seeds=seeds,
        detectable=found,
        power=terms.power,
        alpha=terms.alpha,
        sentence=said,
    )


def _number(value: float, terms: Terms) -> str:
    text = f"{value:.{terms.info.digits + 1}f}"
    return f"{text} {terms.info.unit}" if terms.info.unit else text


def _count(seeds: int) -> str:
    return f"{seeds} seed" if seeds == 1 else f"{seeds} seeds"
