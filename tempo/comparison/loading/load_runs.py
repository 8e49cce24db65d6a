"""Load the runs of plans from their records: the runs that a comparison is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tempo.comparison.query import At, Query, RunFilter, matches
from tempo.core.config_diff import flatten
from tempo.core.errors import RecordError, TempoError
from tempo.core.identity import short_hash
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec, RunStatus
from tempo.records.events import Evaluated, Validated
from tempo.records.files import is_there
from tempo.records.layout import Store, load_run
from tempo.records.pruned_runs import pruned_runs, searched_status
from tempo.records.run_record import RunRecord, read_result, read_run
from tempo.records.seed_log import SeedLook, opened_plan, read_looks

Key = tuple[str, int | None]
"""A variant's name and a seed; references have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A planned run with its record. `problem`: why that cannot be read; `pruned`: by a search.

    `values` are its metrics at the place asked for, empty when it has none (yet).
    """

    planned: PlannedRun
    variant: PlannedVariant
    folder: Path
    record: RunRecord | None
    values: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""
    pruned: bool = False

    @property
    def run_id(self) -> str:
        return self.planned.run_id

    @property
    def seed(self) -> int | None:
        return self.planned.seed

    @property
    def name(self) -> str:
        return self.variant.name

    @property
    def key(self) -> Key:
        return self.name, self.seed

    @property
    def status(self) -> RunStatus:
        """Failed where the record cannot be read, planned where there is none."""
        if self.problem:
            return RunStatus.FAILED
        status = self.record.status if self.record else RunStatus.PLANNED
        return searched_status(status, pruned=self.pruned)

    @property
    def test(self) -> Evaluated | None:
        return self.record.test if self.record else None

    @property
    def protocol_hash(self) -> str | None:
        """The protocol of the test evaluation, or None without one."""
        return self.test.protocol_hash if self.test else None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The runs of a plan that a query keeps, in plan order, with the variants they belong to."""

    store: Store
    plan: Plan
    query: Query
    variants: tuple[PlannedVariant, ...]
    runs: tuple[Run, ...]

    @cached_property
    def _by_variant(self) -> Mapping[str, list[Run]]:
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.name, []).append(run)
        return found

    @cached_property
    def looks(self) -> tuple[SeedLook, ...]:
        """The looks that decided which seeds were added; none where seeds are not adaptive."""
        return read_looks(self.store, self.plan)

    @cached_property
    def twins(self) -> Mapping[str, str]:
        """The variants that differ in nothing from an earlier one, with the first of those: both
        have the same runs."""
        first: dict[frozenset[str], str] = {}
        runs = {each.name: frozenset(run.run_id for run in self.of(each.name))
                for each in self.variants}  # fmt: skip
        found = {name: first.setdefault(ids, name) for name, ids in runs.items()}
        return {name: twin for name, twin in found.items() if twin != name}

    @cached_property
    def by_key(self) -> Mapping[Key, Run]:
        return {run.key: run for run in self.runs}

    def of(self, variant: str) -> list[Run]:
        return self._by_variant.get(variant, [])

    def planned_seeds(self, variant: str) -> set[int | None]:
        """Return the seeds that a variant may get: of adaptive seeds all, opened or not."""
        if self.plan.stages is None:
            return {run.seed for run in self.of(variant)}
        return self._seeds_in_plan.get(variant, set())

    @cached_property
    def _seeds_in_plan(self) -> Mapping[str, set[int | None]]:
        found: dict[str, set[int | None]] = {}
        for run in self.plan.runs:
            found.setdefault(run.variant, set()).add(run.seed)
        return found

    def done(self, variant: str) -> list[Run]:
        return [run for run in self.of(variant) if run.values]

    def protocol_hash(self, variant: str) -> str | None:
        """Return the protocol of a variant's test evaluations, None without one."""
        done = self.done(variant)
        return next((run.protocol_hash for run in done if run.protocol_hash), None)

    @cached_property
    def metric(self) -> str:
        """The primary metric: the one asked for, else psnr, else the first there is."""
        return _primary(self.query.metric, self.runs)

    @property
    def trained(self) -> list[PlannedVariant]:
        """The variants that are trained: all but references."""
        return [variant for variant in self.variants if variant.role != "reference"]


def _primary(asked: str | None, measured: Sequence[Run | Validated]) -> str:
    names = dict.fromkeys(name for each in measured for name in each.values)
    return asked or ("psnr" if "psnr" in names else next(iter(names), "psnr"))


def ranked_protocol(hashes: Mapping[str, str | None], baseline: str | None) -> str | None:
    """Return the protocol that is ranked: the baseline's, else the first there is."""
    return hashes.get(baseline or "") or next((each for each in hashes.values() if each), None)


def load_runs(store: Store, plan: Plan, query: Query) -> Sample:
    """Read every run to be carried out, damaged ones with their problem.

    Runs that adaptive seeds made unnecessary are left out, even where another study has them.

    Raises:
        TempoError: when the query keeps none.
    """
    whole = query.detail == "full" or query.at.kind != "final"
    variants = {variant.name: variant for variant in plan.variants}
    wanted = opened_plan(store, plan).runs
    runs = [_read(store, each, variants[each.variant], query, whole) for each in wanted]
    gone = pruned_runs(store, plan)
    runs = [replace(each, pruned=True) if each.run_id in gone else each for each in runs]
    if query.where:
        runs = _filtered(runs, query.where)
    kept = {run.name for run in runs}
    return Sample(
        store=store,
        plan=plan,
        query=query,
        variants=tuple(variant for variant in plan.variants if variant.name in kept),
        runs=tuple(runs),
    )


def _read(
    store: Store, planned: PlannedRun, variant: PlannedVariant, query: Query, whole: bool
) -> Run:
    folder = store.run_dir(planned.run_id).absolute()
    run = Run(planned=planned, variant=variant, folder=folder, record=None)
    try:
        if not is_there(folder / "run.json"):
            return run
        record = read_run(folder) if whole else read_result(folder)
    except RecordError as error:
        return replace(run, problem=f"records cannot be read: {error}")
    return replace(run, record=record, values=_values(record, query.at, query.metric))


def _values(record: RunRecord, at: At, metric: str | None) -> Mapping[str, float]:
    if at.kind == "step":
        return next((each.values for each in record.validations if each.step == at.step), {})
    if record.status != RunStatus.COMPLETE:
        return {}
    if at.kind == "final":
        return record.test.values if record.test else {}
    name = _primary(metric, record.validations)
    lower = bool(record.test and record.test.infos.get(name, {}).get("better") == "lower")
    scored = [each.values for each in record.validations if name in each.values]
    choose = min if lower else max
    return choose(scored, key=lambda values: values[name]) if scored else {}


def _filtered(runs: list[Run], where: RunFilter) -> list[Run]:
    facts = [_facts(run) for run in runs]
    # A factor that only some variants have is a name all the same; for the others it is missing.
    names = dict.fromkeys(name for each in facts for name in each)
    kept = [run for run, own in zip(runs, facts, strict=True) if matches(where, {**names, **own})]
    if not any(run.seed is not None for run in kept):
        raise TempoError(f"--where {where.text!r} keeps none of the {len(runs)} runs")
    return kept


def _facts(run: Run) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "variant": run.name,
        "role": run.variant.role,
        "seed": run.seed,
        "status": run.status.value,
        "run_id": run.run_id,
    }
    facts |= run.variant.levels
    facts |= flatten(run.variant.config, "params")
    # Runs imported from elsewhere keep their own params under this key.
    facts |= flatten(run.variant.config.get("params", {}), "params")
    return facts | {f"metrics.{name}": value for name, value in run.values.items()}


def merge_samples(samples: Sequence[tuple[str, Sample]], *, always: bool = False) -> Sample:
    """Join labelled samples into one, with the first one's store, query and baseline.

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
            clash = always or variant.name in {each.name for each in variants}
            named = replace(variant, name=f"{label}: {variant.name}") if clash else variant
            variants.append(named)
            runs += [
                replace(run, planned=replace(run.planned, variant=named.name), variant=named)
                for run in mine
            ]
    plans = [sample.plan for _, sample in samples]
    plan = replace(
        plans[0],
        study=" + ".join(dict.fromkeys(plan.study for plan in plans)),
        question=" ".join(dict.fromkeys(plan.question for plan in plans if plan.question)),
        source=", ".join(dict.fromkeys(plan.source for plan in plans)),
        spec_hash=short_hash([plan.spec_hash for plan in plans]),
        variants=tuple(variants),
        runs=tuple(run.planned for run in runs),
        exclusions=tuple(each for plan in plans for each in plan.exclusions),
        test_sets=(),
    )
    return replace(samples[0][1], plan=plan, variants=tuple(variants), runs=tuple(runs))


def adhoc(store: Store, folders: Sequence[Path]) -> Plan:
    """A plan of the runs in `folders`, named as the studies that hold them name them."""
    specs = {spec.run_id: spec for spec in map(load_run, folders)}
    titles = _titles(store)
    groups: dict[str, list[RunSpec]] = {}
    for spec in specs.values():
        own = f"{spec.config.get('method', 'run')} {short_hash(dict(spec.config), 6)}"
        groups.setdefault(titles.get(spec.run_id, own), []).append(spec)
    variants: list[PlannedVariant] = []
    runs: list[PlannedRun] = []
    for name, group in groups.items():
        config = group[0].config
        trained = config.get("method", "network") == "network"
        role: Literal["variant", "reference"] = "variant" if trained else "reference"
        variants.append(PlannedVariant(name=name, role=role, levels={}, config=config))
        group.sort(key=lambda each: each.seed or 0)
        runs += [PlannedRun(run_id=each.run_id, variant=name, seed=each.seed) for each in group]
    return Plan(
        study="selected runs",
        question="",
        profile=None,
        source=str(store.root),
        spec={},
        spec_hash=short_hash(sorted(specs)),
        baseline=None,
        variants=tuple(variants),
        runs=tuple(runs),
    )


def _titles(store: Store) -> dict[str, str]:
    """The variant that each run of the store's studies belongs to, as far as their plans can be
    read; the first study wins."""
    titles: dict[str, str] = {}
    for plan in store.load_plans().plans:
        for run in plan.runs:
            titles.setdefault(run.run_id, run.variant)
    return titles
