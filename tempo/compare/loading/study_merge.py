"""Several studies as one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tempo.compare.loading.load_runs import Run, Sample
from tempo.core.identity import short_hash
from tempo.core.records import Plan, PlannedRun, PlannedVariant


def merged(samples: Sequence[tuple[str, Sample]], *, always: bool = False) -> Sample:
    """The runs of all samples; the first one's store, query and baseline.

    A variant's name gets its sample's label in front where an earlier sample has that name
    (everywhere with `always`). A variant with the very same runs as one before it is that one and
    left out, unless `always`.
    """
    variants: list[PlannedVariant] = []
    runs: list[Run] = []
    seen: set[frozenset[Path]] = set()
    for label, sample in samples:
        for variant in sample.variants:
            mine = sample.of(variant.name)
            identity = frozenset(run.folder for run in mine)
            if identity in seen and not always:
                continue
            seen.add(identity)
            taken = variant.name in {each.name for each in variants}
            clash = always or taken
            named = replace(variant, name=f"{label}: {variant.name}") if clash else variant
            variants.append(named)
            runs += [_renamed(run, named) for run in mine]
    first = samples[0][1]
    return Sample(
        store=first.store,
        plan=_plan(samples, variants, runs),
        query=first.query,
        variants=tuple(variants),
        runs=tuple(runs),
    )


def _renamed(run: Run, variant: PlannedVariant) -> Run:
    planned = PlannedRun(run_id=run.run_id, variant=variant.name, seed=run.seed)
    return replace(run, planned=planned, variant=variant)


def _plan(
    samples: Sequence[tuple[str, Sample]], variants: Sequence[PlannedVariant], runs: Sequence[Run]
) -> Plan:
    first = samples[0][1].plan
    plans = [sample.plan for _, sample in samples]
    return replace(
        first,
        study=" + ".join(dict.fromkeys(plan.study for plan in plans)),
        question=" ".join(dict.fromkeys(plan.question for plan in plans if plan.question)),
        source=", ".join(dict.fromkeys(plan.source for plan in plans)),
        spec_hash=short_hash([plan.spec_hash for plan in plans]),
        variants=tuple(variants),
        runs=tuple(run.planned for run in runs),
        exclusions=tuple(each for plan in plans for each in plan.exclusions),
    )
