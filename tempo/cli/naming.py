"""What a user names on the command line: a spec, a study, one of its runs."""

from __future__ import annotations

from pathlib import Path

from tempo.core.catalog import nearest
from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun
from tempo.records.layout import Store

UNPLANNED = "?"
"""The variant of a run that no current plan mentions."""

SPEC_SUFFIXES = {".yaml", ".yml"}


def plan_named(name: str, store: Store, profile: str | None = None) -> Plan:
    """The plan of a spec file, or the one that a study was last carried out by.

    Raises:
        RecordError: when nothing is called so; names the studies there are.
    """
    if Path(name).suffix in SPEC_SUFFIXES:
        from tempo.cli.planning import plan_file

        return plan_file(Path(name), store, profile)
    return store.load_plan(name, profile)


def plans_of(store: Store) -> list[Plan]:
    """The current plan of each study."""
    return [store.load_plan(study) for study in store.studies()]


def run_named(name: str, store: Store) -> PlannedRun:
    """The run with this id, the one whose id begins so, or `VARIANT sSEED` of any study.

    Raises:
        RecordError: when no run, or more than one, is called so.
    """
    known = {run.run_id: run for plan in plans_of(store) for run in plan.runs}
    runs = store.root / "runs"
    for folder in runs.iterdir() if runs.is_dir() else ():
        known.setdefault(folder.name, PlannedRun(run_id=folder.name, variant=UNPLANNED, seed=None))
    exact = [run for run in known.values() if name in {run.run_id, run.title}]
    found = exact or [run for run in known.values() if run.run_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{run.run_id} ({run.title})" for run in found[:8])
        raise RecordError(f"{name!r} could be any of {len(found)} runs: {listed}")
    titles = sorted({run.title for run in known.values() if run.variant != UNPLANNED})
    guess = nearest(name, titles)
    hint = f"; did you mean {guess!r}?" if guess else ""
    raise RecordError(
        f"no run {name!r} in {store.root}{hint} "
        f"(a run is named by its id, by how the id begins, or as VARIANT sSEED)"
    )
