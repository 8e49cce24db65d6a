"""Look up the seed noise that is recorded of a plan's data, and state what its seeds can detect."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun
from tempo.core.t_interval import pooled_variance
from tempo.records.event_log import has_readable_result
from tempo.records.layout import Store
from tempo.records.run_record import read_result

Key = tuple[str, int]
"""A variant's name and a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedNoise:
    """The seed standard deviation of a run's test PSNR, in dB.

    `paired`: without what all variants share of a seed, as contrasts are paired by seed. Of single
    variants that cannot be told apart, and `sd` holds it too.
    """

    sd: float
    df: int
    studies: tuple[str, ...]
    paired: bool


def known_noise(plan: Plan, store: Store, reusable: Collection[str]) -> SeedNoise | None:
    """The seed noise of this study's results or, before there are any, of other studies on the
    same data, judged alike; None where nothing tells it."""
    return _of_plan(plan, store, reusable) or _elsewhere(plan, store)


def power_statement(plan: Plan, noise: SeedNoise | None) -> str | None:
    """`3 seeds at a noise of s dB can detect >= x dB`; None where nothing tells the noise.

    The power is that of the test that the comparison does (`compare`).
    """
    seeds = len({run.seed for run in plan.runs} - {None})
    if noise is None or not seeds:
        return None
    from tempo.comparison.statistics.power import detectable, detectable_range, expected_noise

    trained = sum(variant.role != "reference" for variant in plan.variants)
    expected = expected_noise(
        seed_sd=math.sqrt(2) * noise.sd, variants=max(trained, 2), seed_df=noise.df
    )
    smallest, ends = detectable(expected, seeds), detectable_range(expected, seeds)
    most = "" if plan.stages is None else "at most "
    said = f"{most}{seeds} seed{'s' * (seeds > 1)} at a noise of {noise.sd:.3f} dB a run"
    shared = "" if noise.paired else ", what variants share of a seed included"
    where = f"(PSNR, from {', '.join(noise.studies)}, {noise.df} degrees of freedom{shared})"
    if smallest is None:
        return f"{said} {where} can detect no difference, however large: it takes 3"
    between = "" if ends is None else f" ({ends[0]:.3f} to {ends[1]:.3f}, as the noise may be)"
    return (
        f"{said} {where} can detect >= {smallest:.3f} dB{between}: one contrast, 80 % power, "
        "two-sided 5 %; the draw of the test clips comes on top"
    )


def _of_plan(plan: Plan, store: Store, ids: Collection[str]) -> SeedNoise | None:
    runs = [run for run in plan.distinct_runs if run.run_id in ids]
    return _pooled({plan.study: _tested(store, runs)})


def _elsewhere(plan: Plan, store: Store) -> SeedNoise | None:
    """From the current plans of other studies, of variants with this study's data and judging."""
    first = next((each.config for each in plan.variants if each.role != "reference"), None)
    found: dict[str, dict[Key, float]] = {}
    for other in store.load_plans().plans if first else ():
        if other.study == plan.study:
            continue
        alike = {
            each.name
            for each in other.variants
            if first
            and all(each.config.get(name) == first.get(name) for name in ("data", "evaluation"))
        }
        runs = [
            run
            for run in other.distinct_runs
            if run.variant in alike and has_readable_result(store.run_dir(run.run_id))
        ]
        found[other.study] = _tested(store, runs)
    return _pooled(found)


def _tested(store: Store, runs: Collection[PlannedRun]) -> dict[Key, float]:
    """The test PSNR of the runs with a seed, as far as there is one that can be read."""
    values: dict[Key, float] = {}
    for run in runs:
        if run.seed is None:
            continue
        try:
            test = read_result(store.run_dir(run.run_id)).test
        except (RecordError, OSError, ValueError, KeyError):
            continue
        found = test.values.get("psnr") if test else None
        if found is not None and math.isfinite(found):
            values[run.variant, run.seed] = found
    return values


def _pooled(values: Mapping[str, Mapping[Key, float]]) -> SeedNoise | None:
    """The noise that the studies show together; None where no variant has two seeds."""
    paired = {study: _paired(own) for study, own in values.items() if len(own) > 2}
    used = {study: each for study, each in paired.items() if each[1]}
    df = sum(own_df for _, own_df in used.values())
    if df:
        variance = sum(each * own_df for each, own_df in used.values()) / df
        return SeedNoise(sd=math.sqrt(variance), df=df, studies=tuple(used), paired=True)
    groups: dict[tuple[str, str], list[float]] = {}
    for study, own in values.items():
        for (variant, _), value in own.items():
            groups.setdefault((study, variant), []).append(value)
    pooled, df = pooled_variance(groups.values())
    studies = tuple(dict.fromkeys(study for (study, _), own in groups.items() if len(own) > 1))
    return SeedNoise(sd=math.sqrt(pooled), df=df, studies=studies, paired=False) if df else None


def _paired(values: Mapping[Key, float]) -> tuple[float, int]:
    """The variance of runs that neither variant nor seed explains, and its degrees of freedom."""
    import numpy as np

    from tempo.comparison.statistics.random_effects import RandomEffects
    from tempo.comparison.statistics.seed_source_matrix import matrix_of

    return RandomEffects(matrix_of(list(values), np.array(list(values.values())), None)).pooled_seed
