"""Say which networks a plan's variants take weights from, and what training those took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tempo.core.errors import RecordError
from tempo.core.records import Parent, Plan, PlannedRun
from tempo.records.layout import Store, load_run
from tempo.records.run_record import read_result
from tempo.workflow.plan.bill import Bill


def networks_behind(plan: Plan, names: Iterable[str], store: Store) -> dict[str, dict[str, Any]]:
    """Return, by variant and source, the config of the run whose weights it takes, or the file.

    As {"config": config} or {"path": path}; variants that take none are left out.
    """
    chosen = set(names)
    configs = {variant.name: variant.config for variant in plan.variants}
    by_id = {run.run_id: configs[run.variant] for run in plan.runs}
    found: dict[str, dict[str, Any]] = {}
    for run in plan.runs:
        if run.variant not in chosen or run.variant in found or not run.parents:
            continue
        found[run.variant] = {
            parent.source: {"path": parent.source}
            if parent.run_id is None
            else {"config": by_id.get(parent.run_id) or _recorded(store, parent.run_id)}
            for parent in run.parents
        }
    return found


def _recorded(store: Store, run_id: str) -> Mapping[str, Any]:
    return load_run(store.run_dir(run_id)).config


def ancestors(plan: Plan, run: PlannedRun, store: Store) -> list[str]:
    """Return the ids of all runs that a run's weights come from, each once, nearest first."""
    by_id = {each.run_id: each for each in plan.runs}
    found: dict[str, None] = {}
    waiting = list(run.parents)
    while waiting:
        run_id = waiting.pop(0).run_id
        if run_id is None or run_id in found:
            continue
        found[run_id] = None
        planned = by_id.get(run_id)
        waiting += planned.parents if planned else _parents_recorded(store, run_id)
    return list(found)


def _parents_recorded(store: Store, run_id: str) -> Iterable[Any]:
    try:
        return load_run(store.run_dir(run_id)).parents
    except RecordError:
        return ()


def hours_behind(plan: Plan, own: Mapping[str, float], store: Store) -> dict[str, float | None]:
    """Return, by variant, the device-hours of the training that one of its runs builds on.

    `own` holds the hours of one run of a variant by price. Runs of other studies count as they are
    recorded. None where hours are not known; variants that build on nothing, and files, have none.
    """
    by_id = {run.run_id: run.variant for run in plan.runs}
    out: dict[str, float | None] = {}
    for run in plan.runs:
        if run.variant in out or not run.parents:
            continue
        hours: list[float | None] = [
            own.get(by_id[each]) if each in by_id else _hours_recorded(store, each)
            for each in ancestors(plan, run, store)
        ]
        known = [each for each in hours if each is not None]
        out[run.variant] = sum(known) if len(known) == len(hours) else None
    return out


def _hours_recorded(store: Store, run_id: str) -> float | None:
    try:
        return read_result(store.run_dir(run_id)).device_hours
    except RecordError:
        return None


def start_sentences(plan: Plan, bill: Bill | None, store: Store) -> Iterator[str]:
    """Yield, for each variant that takes weights or learns from a teacher, from which networks,
    and what they cost by price."""
    own = {name: item.cost.device_hours for name, item in bill.items.items()} if bill else {}
    behind = hours_behind(plan, own, store) if bill else {}
    told: set[str] = set()
    variants = {run.run_id: run.variant for run in plan.runs}
    for run in plan.runs:
        if run.variant in told or not run.parents:
            continue
        told.add(run.variant)
        said = f"{run.variant} {_built_on(plan.variant(run.variant).config, run, variants)}"
        hours = behind.get(run.variant)
        if hours and run.variant in own:
            said += (
                f"; a run takes {own[run.variant]:.3g} device-hours, and {hours:.3g} more with the "
                "training that it builds on"
            )
        yield said


def _built_on(config: Mapping[str, Any], run: PlannedRun, variants: Mapping[str, str]) -> str:
    """Return what a run does with the weights of its parents."""
    start = (config["recipe"].get("init") or {}).get("from")
    roles: dict[str, list[str]] = {}
    for parent in run.parents:
        role = "takes weights from" if parent.source == start else "learns from"
        roles.setdefault(role, []).append(_where(parent, variants))
    return " and ".join(f"{role} {' and '.join(found)}" for role, found in roles.items())


def _where(parent: Parent, variants: Mapping[str, str]) -> str:
    name = variants.get(parent.run_id or "")
    if parent.run_id is None:
        return f"the file {parent.source} (SHA-256 {str(parent.sha256)[:12]}...)"
    if name is None:
        return f"run {parent.run_id}, whatever the seed"
    return f"{name}, each seed from the same seed of it"
