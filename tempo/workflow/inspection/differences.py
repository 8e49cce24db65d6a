"""Answer in what two runs, variants, specs or studies differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.comparison.differences.build_differences import (
    Side,
    differences,
    pairs_of,
    with_weights,
)
from tempo.comparison.differences.difference import (
    AmountChange,
    Differences,
    FieldChange,
    Kind,
    WeightDistance,
)
from tempo.core.catalog import unknown
from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun, PlannedVariant
from tempo.records.files import is_there
from tempo.records.layout import Store, default_root, root_of
from tempo.records.run_record import RunRecord, read_run
from tempo.records.seed_log import opened_plan
from tempo.workflow.inspection.weight_distances import measure_weights
from tempo.workflow.names import SPEC_SUFFIXES, plan_named, plans_of, run_named

if TYPE_CHECKING:
    import pandas as pd

UNREAD = ("image",)
"""Kinds of event that no difference is made of."""


def diff(
    before: str,
    after: str,
    *,
    records: str | Path | None = None,
    profile: str | None = None,
    weights: bool | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> Diff:
    """Return in what two runs, two variants, or two specs or studies differ.

    A run is named as everywhere, a variant as `VARIANT` or `STUDY/VARIANT`, a spec by its file, a
    study by its name or folder. Specs and studies may be mixed.

    Args:
        records: the folder of records (default: `$TEMPO_RECORDS` or `records`).
        profile: which plan of a study or spec (default: of a study the last one run).
        weights: whether to measure how far weights are apart, in a process that loads torch
            (default: for runs and variants).
        say: is told what takes a while.

    Raises:
        RecordError: when a name is nothing that is recorded, or the two are not of one kind.

    >>> import tempo
    >>> found = tempo.diff("V2 s0", "V3 s0", weights=False)
    >>> found.same, "arch.dilations" in set(found.config()["field"])
    (False, True)
    """
    store = Store(default_root() if records is None else Path(records))
    sides = [_side(name, store, profile) for name in (before, after)]
    _check_kinds(*sides)
    found = differences(*sides)
    pairs = pairs_of(*sides)
    measured = sides[0].kind in {"run", "variant"} if weights is None else weights
    return Diff(with_weights(found, measure_weights(pairs, say)) if measured else found)


class Diff:
    """In what two things differ: each part as a DataFrame, everything as `data` and as JSON.

    >>> import tempo
    >>> found = tempo.diff("V2", "V3", weights=False)
    >>> found.data.before.kind, found.data.only_after
    ('variant', ())
    """

    def __init__(self, data: Differences) -> None:
        self.data = data

    @property
    def same(self) -> bool:
        """Whether nothing differs that decides a result."""
        return self.data.same

    def config(self) -> pd.DataFrame:
        """One row a field of the configs or specs that differs."""
        return _frame(FieldChange, self.data.config).rename(columns={"path": "field"})

    def environment(self) -> pd.DataFrame:
        """One row a fact of machines and versions that differs."""
        return _frame(FieldChange, self.data.environment).rename(columns={"path": "field"})

    def costs(self) -> pd.DataFrame:
        """One row a cost, with both means."""
        return _frame(AmountChange, self.data.costs)

    def results(self) -> pd.DataFrame:
        """One row a metric of the test, with both means; no verdict."""
        return _frame(AmountChange, self.data.results)

    def curves(self) -> pd.DataFrame:
        """One row a curve of a pair of runs: where it parts, and by how much."""
        import pandas as pd

        return pd.DataFrame([_values(each) | {"by": each.by} for each in self.data.curves])

    def weights(self) -> pd.DataFrame:
        """One row a pair of runs: how far their weights are apart."""
        return _frame(WeightDistance, self.data.weights)

    def json(self) -> str:
        """Everything as JSON."""
        from tempo.report.formats.writers import json_text

        return json_text(self.data)

    def __repr__(self) -> str:
        one, two = self.data.before, self.data.after
        return f"<Diff of {one.kind} {one.name} and {two.name}: {_word(self.data)}>"

    def _repr_html_(self) -> str:
        from tempo.report.formats.writers import WRITERS
        from tempo.report.tables.item_differences import parts

        return "\n".join(WRITERS["html"](table) for table in parts(self.data))


def _word(found: Differences) -> str:
    return "the same" if found.same else "different"


def _values(record: Any) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _frame(kind: type[Any], records: Sequence[Any]) -> pd.DataFrame:
    import pandas as pd

    columns = [each.name for each in fields(kind)]
    return pd.DataFrame([_values(each) for each in records], columns=columns)


# --- what a name means -----------------------------------------------------------------------


def _side(name: str, store: Store, profile: str | None) -> Side:
    """What one name means.

    Raises:
        RecordError: when it is nothing that is recorded; says what was looked for.
    """
    folder = Path(name)
    if folder.suffix in SPEC_SUFFIXES:
        return _of_plan(name, "spec", store, plan_named(name, store, profile))
    if name in store.studies():
        return _of_plan(name, "study", store, store.load_plan(name, profile))
    if (folder / "plans").is_dir():
        inside = Store(folder.parent.parent)
        return _of_plan(name, "study", inside, inside.load_plan(folder.name, profile))
    if (folder / "run.json").is_file():
        return _of_run(folder.name, folder)
    found = _variants(name, store)
    try:
        run = run_named(name, store)
    except RecordError as error:
        if len(found) == 1:
            return _of_variant(name, store, *found[0])
        raise RecordError(_explained(name, store, [plan.study for plan, _ in found], error)) from (
            error
        )
    return _of_run(run.title if run.seed is not None else run.run_id, store.run_dir(run.run_id))


def _explained(name: str, store: Store, studies: Sequence[str], error: RecordError) -> str:
    if studies:
        named = ", ".join(f"'{study}/{name}'" for study in studies)
        return f"{name!r} is a variant of several studies; say of which: {named}"
    return (
        f"{unknown('study', name, store.studies())}; it is no spec (.yaml), no variant of a study "
        f"of {store.root}, and as a run: {error}"
    )


def _variants(name: str, store: Store) -> list[tuple[Plan, PlannedVariant]]:
    """Each variant that is called so, with the plan it is of."""
    return [
        (plan, variant)
        for plan in plans_of(store, lambda _: None)
        for variant in plan.variants
        if name in {variant.name, f"{plan.study}/{variant.name}"}
    ]


def _of_plan(name: str, kind: Kind, store: Store, plan: Plan) -> Side:
    problems: list[str] = []
    return Side(
        name=name,
        kind=kind,
        root=store.root,
        settings=plan.spec,
        variants={each.name: each.config for each in plan.variants},
        runs={
            (run.variant, run.seed): record
            for run in opened_plan(store, plan).runs
            if (record := _read(store, run, problems)) is not None
        },
        problems=tuple(problems),
    )


def _of_variant(name: str, store: Store, plan: Plan, variant: PlannedVariant) -> Side:
    problems: list[str] = []
    runs = [run for run in opened_plan(store, plan).runs if run.variant == variant.name]
    return Side(
        name=name,
        kind="variant",
        root=store.root,
        settings=variant.config,
        planned=frozenset(("", run.seed) for run in runs),
        runs={
            ("", run.seed): record
            for run in runs
            if (record := _read(store, run, problems)) is not None
        },
        problems=tuple(problems),
    )


def _of_run(name: str, folder: Path) -> Side:
    record = read_run(folder, UNREAD)
    told = {"seed": record.spec.seed, **record.spec.config}
    if record.spec.parents:
        told["parents"] = [parent.identity for parent in record.spec.parents]
    return Side(
        name=name,
        kind="run",
        root=root_of(folder),
        settings=told,
        runs={("", record.spec.seed): record} if record.attempts else {},
    )


def _read(store: Store, run: PlannedRun, problems: list[str]) -> RunRecord | None:
    """The record of a run that began; `problems` is told of one that cannot be read."""
    folder = store.run_dir(run.run_id)
    try:
        if not is_there(folder / "run.json"):
            return None
        record = read_run(folder, UNREAD)
    except RecordError as error:
        problems.append(f"{run.title} is left out, because its record cannot be read: {error}")
        return None
    return record if record.attempts else None


def _check_kinds(before: Side, after: Side) -> None:
    kinds = {"study" if each.kind == "spec" else each.kind for each in (before, after)}
    if len(kinds) > 1:
        raise RecordError(
            f"{before.name!r} is a {before.kind} and {after.name!r} a {after.kind}: name two runs, "
            "two variants, or two specs or studies"
        )
