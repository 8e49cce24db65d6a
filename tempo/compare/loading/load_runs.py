"""From a plan and a folder of records to the runs that a comparison is made of."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tempo.compare.loading.run_filter import Where, flatten, holds
from tempo.compare.query import At, Query
from tempo.core.errors import RecordError, TempoError
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunStatus
from tempo.records.events import Validated
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord, read_result, read_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A planned run with what is recorded of it. `problem`: why its records cannot be read.

    `values` are its metrics at the place asked for, empty when it has none (yet).
    """

    planned: PlannedRun
    variant: PlannedVariant
    folder: Path
    record: RunRecord | None
    values: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""

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
    def key(self) -> tuple[str, int | None]:
        return self.name, self.seed

    @property
    def status(self) -> RunStatus:
        if self.problem:
            return RunStatus.FAILED
        return self.record.status if self.record else RunStatus.PLANNED

    @property
    def protocol_hash(self) -> str | None:
        test = self.record.test if self.record else None
        return test.protocol_hash if test else None


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

    def of(self, variant: str) -> list[Run]:
        return self._by_variant.get(variant, [])

    def done(self, variant: str) -> list[Run]:
        return [run for run in self.of(variant) if run.values]

    @cached_property
    def metric(self) -> str:
        """The primary metric: the one asked for, else psnr, else the first there is."""
        names = dict.fromkeys(name for run in self.runs for name in run.values)
        return self.query.metric or ("psnr" if "psnr" in names else next(iter(names), "psnr"))

    @property
    def trained(self) -> list[PlannedVariant]:
        return [variant for variant in self.variants if variant.role != "reference"]


def gather(store: Store, plan: Plan, query: Query) -> Sample:
    """Read every planned run. A run whose records are damaged is kept, with its problem.

    Raises:
        TempoError: when the query's filter keeps nothing.
    """
    whole = query.detail == "full" or query.at.kind != "final"
    variants = {variant.name: variant for variant in plan.variants}
    with _no_collection():
        runs = [_read(store, each, variants[each.variant], query, whole) for each in plan.runs]
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


@contextmanager
def _no_collection() -> Iterator[None]:
    """Reading makes a great many records and no cycles: looking for cycles costs a third of it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(
    store: Store, planned: PlannedRun, variant: PlannedVariant, query: Query, whole: bool
) -> Run:
    folder = store.run_dir(planned.run_id).absolute()
    base: dict[str, Any] = {"planned": planned, "variant": variant, "folder": folder}
    if not (folder / "run.json").is_file():
        return Run(**base, record=None)
    try:
        record = read_run(folder) if whole else read_result(folder)
    except (RecordError, ValueError, KeyError, TypeError, OSError) as error:
        return Run(**base, record=None, problem=f"records cannot be read: {error}")
    return Run(**base, record=record, values=_values(record, query.at, query.metric))


def _values(record: RunRecord, at: At, metric: str | None) -> Mapping[str, float]:
    test = record.test
    if at.kind == "final":
        return test.values if test and record.status == RunStatus.COMPLETE else {}
    found = _validation(record, at, metric)
    return found.values if found else {}


def _validation(record: RunRecord, at: At, asked: str | None) -> Validated | None:
    if at.kind == "step":
        return next((each for each in record.validations if each.step == at.step), None)
    if record.status != RunStatus.COMPLETE:
        return None
    names = dict.fromkeys(name for each in record.validations for name in each.values)
    metric = asked or ("psnr" if "psnr" in names else next(iter(names), "psnr"))
    lower = bool(record.test and record.test.infos.get(metric, {}).get("better") == "lower")
    scored = [each for each in record.validations if metric in each.values]
    choose = min if lower else max
    return choose(scored, key=lambda each: each.values[metric]) if scored else None


def _filtered(runs: list[Run], where: Where) -> list[Run]:
    facts = [facts_of(run) for run in runs]
    # A factor that only some variants have is a name all the same; for the others it is missing.
    names = dict.fromkeys(name for each in facts for name in each)
    kept = [run for run, own in zip(runs, facts, strict=True) if holds(where, {**names, **own})]
    if not any(run.seed is not None for run in kept):
        raise TempoError(f"--where {where.text!r} keeps none of the {len(runs)} runs")
    return kept


def facts_of(run: Run) -> dict[str, Any]:
    """What `--where` can ask about."""
    facts: dict[str, Any] = {
        "variant": run.name,
        "role": run.variant.role,
        "seed": run.seed,
        "status": run.status.value,
        "run_id": run.run_id,
    }
    facts |= run.variant.levels
    facts |= flatten(run.variant.config)
    # Runs imported from elsewhere keep their own params under this key.
    facts |= flatten(run.variant.config.get("params", {}))
    return facts | {f"metrics.{name}": value for name, value in run.values.items()}
