"""State which difference the seeds of a plan can detect, from the seed noise measured so far."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tempo.core.errors import RecordError
from tempo.core.records import Plan
from tempo.core.t_interval import pooled_variance
from tempo.records.event_log import is_complete
from tempo.records.layout import Store
from tempo.records.run_record import read_result

METRIC = "psnr"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedNoise:
    """The standard deviation of a variant's test PSNR over seeds, in dB, pooled over variants."""

    sd: float
    df: int
    studies: tuple[str, ...]


def power_statement(plan: Plan, store: Store, reusable: Collection[str]) -> str | None:
    """`3 seeds at a noise of s dB can detect >= x dB`; None where nothing tells the noise.

    The noise is that of this study's results or, before there are any, of other studies on the
    same data, judged alike. The power is that of the test that the comparison does (`compare`).
    """
    noise = _of_plan(plan, store, reusable) or _elsewhere(plan, store)
    seeds = len({run.seed for run in plan.runs} - {None})
    if noise is None or not seeds:
        return None
    from tempo.comparison.statistics.power import detectable, expected_noise

    trained = sum(variant.role != "reference" for variant in plan.variants)
    expected = expected_noise(seed_sd=math.sqrt(2) * noise.sd, variants=max(trained, 2))
    smallest = detectable(expected, seeds)
    said = f"{seeds} seed{'s' * (seeds > 1)} at a noise of {noise.sd:.3f} dB between seeds"
    where = f"(PSNR, from {', '.join(noise.studies)}, {noise.df} degrees of freedom)"
    if smallest is None:
        return f"{said} {where} can detect no difference, however large: it takes 3"
    return (
        f"{said} {where} can detect >= {smallest:.3f} dB: one contrast, 80 % power, two-sided 5 %; "
        "the draw of the test clips comes on top"
    )


def _of_plan(plan: Plan, store: Store, ids: Collection[str]) -> SeedNoise | None:
    values: dict[str, list[float]] = {}
    for run in plan.runs:
        if run.seed is not None and run.run_id in ids:
            values.setdefault(run.variant, []).extend(_tested(store, run.run_id))
    return _pooled(values, (plan.study,))


def _tested(store: Store, run_id: str) -> Iterable[float]:
    """The test PSNR of a run, if there is one that can be read."""
    try:
        test = read_result(store.run_dir(run_id)).test
    except (RecordError, OSError, ValueError, KeyError):
        return ()
    found = test.values.get(METRIC) if test else None
    return (found,) if found is not None and math.isfinite(found) else ()


def _pooled(values: Mapping[str, list[float]], studies: tuple[str, ...]) -> SeedNoise | None:
    pooled, df = pooled_variance(values.values())
    return SeedNoise(sd=math.sqrt(pooled), df=df, studies=studies) if df else None


def _elsewhere(plan: Plan, store: Store) -> SeedNoise | None:
    """From the current plans of other studies, of variants with this study's data and judging."""
    first = next((each.config for each in plan.variants if each.role != "reference"), None)
    values: dict[str, list[float]] = {}
    studies = []
    for study in store.studies() if first else ():
        if study == plan.study:
            continue
        other = store.load_plan(study)
        alike = {
            each.name
            for each in other.variants
            if first and all(each.config[name] == first[name] for name in ("data", "evaluation"))
        }
        for run in other.distinct_runs:
            folder = store.run_dir(run.run_id)
            if run.seed is not None and run.variant in alike and is_complete(folder):
                values.setdefault(f"{study}/{run.variant}", []).extend(_tested(store, run.run_id))
                studies.append(study)
    return _pooled(values, tuple(dict.fromkeys(studies)))
