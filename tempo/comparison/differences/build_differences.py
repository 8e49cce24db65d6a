"""Find in what two runs, variants or studies differ, from their records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tempo.comparison.differences.difference import (
    AmountChange,
    Differences,
    FieldChange,
    Item,
    Kind,
)
from tempo.comparison.differences.recorded_facts import (
    code_change,
    config_changes,
    data_changes,
    environment_changes,
    order_changes,
)
from tempo.comparison.differences.run_pairs import (
    Pair,
    cost_changes,
    partings,
    result_changes,
)
from tempo.comparison.loading.load_runs import Sample
from tempo.core.records import PlannedVariant, RunStatus
from tempo.records.run_record import RunRecord

Key = tuple[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a difference.

    `settings` is its config, or the spec of a study; `variants` the config by variant, of a study.
    `runs` are the recorded runs by variant and seed; those of a run or a variant stand under an
    empty name, so that they meet those of the other side. `problems`: runs that cannot be read.
    """

    name: str
    kind: Kind
    root: Path
    settings: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    planned: frozenset[Key] = frozenset()
    runs: Mapping[Key, RunRecord] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def item(self) -> Item:
        finished = sum(run.status is RunStatus.COMPLETE for run in self.runs.values())
        return Item(name=self.name, kind=self.kind, runs=len(self.runs), finished=finished)

    def of(self, variant: str) -> list[RunRecord]:
        return [run for (name, _), run in self.runs.items() if name == variant]


def pairs_of(before: Side, after: Side) -> list[Pair]:
    """Return the runs to put side by side: two runs, or those of one variant and seed."""
    if before.kind == after.kind == "run":
        return [
            (f"{before.name} to {after.name}", was, now)
            for was in before.runs.values()
            for now in after.runs.values()
        ]
    return [
        (_title(key), before.runs[key], after.runs[key]) for key in before.runs if key in after.runs
    ]


def _title(key: Key) -> str:
    variant, seed = key
    return " ".join(filter(None, (variant, "" if seed is None else f"s{seed}"))) or "no seed"


def differences(before: Side, after: Side) -> Differences:
    """Return in what two sides differ, without the distance of their weights."""
    pairs = pairs_of(before, after)
    apart = [pair for pair in pairs if pair[1].folder.resolve() != pair[2].folder.resolve()]
    was, now = list(before.runs.values()), list(after.runs.values())
    variants = [name for name in before.variants if name in after.variants]
    only = _only(before, after), _only(after, before)
    order = [change for pair in apart for change in order_changes(*pair)]
    return Differences(
        before=before.item,
        after=after.item,
        config=(
            *config_changes(before.settings, after.settings),
            *_variant_configs(before, after, variants),
        ),
        environment=environment_changes(was, now) if was and now else (),
        code=code_change((before.root, was), (after.root, now)) if was and now else None,
        data=(*data_changes(was, now), *order) if was and now else (),
        costs=_amounts(before, after, variants, costs=True),
        results=_amounts(before, after, variants, costs=False),
        curves=tuple(each for pair in apart for each in partings(pair)),
        only_before=only[0],
        only_after=only[1],
        pairs=len(pairs),
        same_runs=len(pairs) - len(apart),
        notes=tuple(_notes(before, after, pairs)),
    )


def with_weights(found: Differences, measured: Iterable[Any]) -> Differences:
    """Return the differences with the distances of the pairs' weights."""
    return replace(found, weights=tuple(measured))


def _variant_configs(before: Side, after: Side, names: Sequence[str]) -> list[FieldChange]:
    """Return the fields of variants that differ, each once where every variant changed alike; what
    the specs say already is left out."""
    told = {
        (each.path, str(each.before), str(each.after))
        for each in config_changes(before.settings, after.settings)
    }
    found = {n: config_changes(before.variants[n], after.variants[n]) for n in names}
    said = [[(each.path, each.before, each.after) for each in found[n]] for n in names]
    out: list[FieldChange] = []
    for name in names:
        for each in found[name]:
            key = (each.path, each.before, each.after)
            everywhere = len(names) > 1 and all(key in other for other in said)
            label = f"all {len(names)} variants" if everywhere else name
            change = replace(each, variant=label)
            if change not in out and (each.path, str(each.before), str(each.after)) not in told:
                out.append(change)
    return out


def _only(side: Side, other: Side) -> tuple[str, ...]:
    """Return the variants of a study, or the seeds of a variant, that `other` does not have."""
    if side.kind in {"study", "spec"}:
        return tuple(name for name in side.variants if name not in other.variants)
    if side.kind == "variant":
        missing = sorted(side.planned - other.planned, key=str)
        return tuple(f"seed {seed}" for _, seed in missing if seed is not None)
    return ()


def _amounts(
    before: Side, after: Side, variants: Sequence[str], *, costs: bool
) -> tuple[AmountChange, ...]:
    """Return costs or results of a pair of items, of studies by variant."""
    of = cost_changes if costs else result_changes
    names = variants if before.kind in {"study", "spec"} else [""]
    found: list[AmountChange] = []
    for name in names:
        was, now = before.of(name), after.of(name)
        if was and now:
            found += of(was, now, name)
    return tuple(found)


def _notes(before: Side, after: Side, pairs: Sequence[Pair]) -> Iterable[str]:
    for side in (before, after):
        yield from side.problems
        if not side.runs:
            yield f"{side.name} has no recorded run, so that only its settings are compared."
    if before.runs and after.runs and not pairs:
        what = "seed" if before.kind == "variant" else "variant and seed"
        yield f"No {what} has a recorded run on both sides, so that no two runs are compared."


def from_baseline(sample: Sample, baseline: str | None) -> tuple[Differences, ...]:
    """Return in what each trained variant differs from the baseline, in the design's order."""
    control = next((each for each in sample.trained if each.name == baseline), None)
    if control is None:
        return ()
    side = _side_of(sample, control)
    return tuple(
        differences(side, _side_of(sample, each))
        for each in sample.trained
        if each.name != baseline
    )


def _side_of(sample: Sample, variant: PlannedVariant) -> Side:
    runs = [run for run in sample.of(variant.name) if run.record and run.record.attempts]
    return Side(
        name=variant.name,
        kind="variant",
        root=sample.store.root,
        settings=variant.config,
        runs={("", run.seed): run.record for run in runs if run.record},
    )
