"""Make a plan of single runs, so that runs can be compared like a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tempo.core.identity import short_hash
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.records.layout import Store, load_run


def adhoc(store: Store, folders: Sequence[Path]) -> Plan:
    """A plan of the runs in `folders`, named as the studies that hold them name them."""
    specs = {spec.run_id: spec for spec in map(load_run, folders)}
    titles = _titles(store)
    groups: dict[str, list[RunSpec]] = {}
    for spec in specs.values():
        groups.setdefault(titles.get(spec.run_id) or _title(spec), []).append(spec)
    variants = tuple(
        PlannedVariant(
            name=name, role=_role(specs_of[0].config), levels={}, config=specs_of[0].config
        )
        for name, specs_of in groups.items()
    )
    runs = tuple(
        PlannedRun(run_id=spec.run_id, variant=name, seed=spec.seed)
        for name, specs_of in groups.items()
        for spec in sorted(specs_of, key=lambda each: each.seed or 0)
    )
    return Plan(
        study="selected runs",
        question="",
        profile=None,
        source=str(store.root),
        spec={},
        spec_hash=short_hash(sorted(specs)),
        baseline=None,
        variants=variants,
        runs=runs,
    )


def _titles(store: Store) -> dict[str, str]:
    """The variant that each run of the store's studies belongs to; the first study wins."""
    titles: dict[str, str] = {}
    for study in store.studies():
        for run in store.load_plan(study).runs:
            titles.setdefault(run.run_id, run.variant)
    return titles


def _title(spec: RunSpec) -> str:
    config: Mapping[str, Any] = spec.config
    return f"{config.get('method', 'run')} {short_hash(dict(config), 6)}"


def _role(config: Mapping[str, Any]) -> Any:
    return "variant" if config.get("method", "network") == "network" else "reference"
