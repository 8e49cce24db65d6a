"""What a user names on the command line: studies, folders of records, single runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tempo.core.catalog import unknown
from tempo.core.errors import RecordError
from tempo.core.identity import short_hash
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.records.layout import Store, load_run

SHORTEST_ID = 6
"""Characters of a run id that are enough to name it."""


def select(names: Sequence[str], records: Path, profile: str | None = None) -> list[
    tuple[Store, Plan]
]:  # fmt: skip
    """The plans that `names` mean; run ids together make one plan of their own.

    A name is a study in `records`, a folder of records (all of its studies), a study's or a run's
    folder in one, or a run id (its first characters are enough).

    Raises:
        RecordError: for a name that is nothing of this, with what is there.
    """
    found: list[tuple[Store, Plan]] = []
    runs: dict[Path, list[Path]] = {}
    for name in names:
        plans, folder = _one(name, records, profile)
        found += plans
        if folder is not None:
            runs.setdefault(folder.parent.parent, []).append(folder)
    return found + [(Store(root), adhoc(Store(root), folders)) for root, folders in runs.items()]


def _one(
    name: str, records: Path, profile: str | None
) -> tuple[list[tuple[Store, Plan]], Path | None]:
    store, folder = Store(records), Path(name)
    if name in store.studies():
        return [(store, store.load_plan(name, profile))], None
    if (folder / "plans").is_dir():
        inside = Store(folder.parent.parent)
        return [(inside, inside.load_plan(folder.name, profile))], None
    if (folder / "studies").is_dir():
        inside = Store(folder)
        return [(inside, inside.load_plan(study, profile)) for study in inside.studies()], None
    if (folder / "run.json").is_file():
        return [], folder
    return [], _run_folder(name, store)


def _run_folder(name: str, store: Store) -> Path:
    known = store.studies()
    matches: list[Path] = []
    if len(name) >= SHORTEST_ID and name.isalnum():
        matches = sorted(store.root.glob(f"runs/{name}*"))
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(path.name for path in matches)
        raise RecordError(f"run id {name!r} is not unique in {store.root} ({ids})")
    raise RecordError(
        f"{unknown('study', name, known)}; it is no folder of records and no run id in "
        f"{store.root} either"
    )


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
