"""Resolve names of MLflow runs, experiments and filter strings into studies and run folders.

Runs that Tempo mirrored there are read from their own records, which hold more than a mirror;
runs that others logged become records first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from tempo.core.errors import RecordError
from tempo.core.identity import short_hash
from tempo.records.layout import Store

if TYPE_CHECKING:
    from tempo.core.records import Plan
    from tempo.track.mlflow_import.mlflow_reader import FoundRun

PREFIX = "mlflow:"
RUN_ID_LENGTH = 32
"""Hex digits of a run id of MLflow."""


def without_mlflow(
    names: Sequence[str], store: Store, uri: str, *, asked: bool, say: Callable[[str], None]
) -> list[str]:
    """`names` with those that mean something in MLflow replaced by studies and run folders.

    These are `mlflow:NAME`, run ids of MLflow, and, where the user `asked` for the MLflow store at
    `uri`, what the records do not know. `say` receives what was imported.
    """
    return [
        found
        for name in names
        for found in (
            _records_of(name.removeprefix(PREFIX), store, uri, say)
            if _is_of_mlflow(name, store, asked=asked)
            else [name]
        )
    ]


def _is_of_mlflow(name: str, store: Store, *, asked: bool) -> bool:
    if name.startswith(PREFIX):
        return True
    if len(name) == RUN_ID_LENGTH and set(name) <= set("0123456789abcdef"):
        return not store.run_dir(name).is_dir()
    return asked and not _recorded(name, store)


def _recorded(name: str, store: Store) -> bool:
    from tempo.workflow.names import select

    try:
        select([name], store.root)
    except RecordError:
        return False
    return True


def _records_of(text: str, store: Store, uri: str, say: Callable[[str], None]) -> Iterator[str]:
    from tempo.track.mlflow_import.mlflow_reader import find_runs

    meant = find_runs(uri, text)
    own = [run for run in meant.runs if run.run_id and (store.run_dir(run.run_id)).is_dir()]
    foreign = [run for run in meant.runs if run not in own]
    if own and meant.experiment in store.studies():
        yield str(meant.experiment)
    else:
        yield from (str(store.run_dir(str(run.run_id))) for run in own)
    if foreign:
        plan = _imported(foreign, meant.experiment, store, uri)
        say(f"{len(plan.runs)} runs of MLflow are study {plan.study} of the records now")
        whole = meant.experiment is not None
        yield from (
            [plan.study] if whole else [str(store.run_dir(run.run_id)) for run in plan.runs]
        )


def _imported(runs: Sequence[FoundRun], experiment: str | None, store: Store, uri: str) -> Plan:
    """`runs` as records and a study of their own, which takes no other study's place."""
    from tempo.track.mlflow_import.import_runs import import_runs, study_name

    name = study_name(runs[0].experiment)
    if experiment is None:
        name = f"{name}_{short_hash(sorted(run.id for run in runs), 6)}"
    elif name in store.studies() and "imported" not in store.load_plan(name).spec:
        name = f"{name}_mlflow"
    before = store.load_plan(name).spec if name in store.studies() else {}
    rename = before.get("imported", {}).get("rename", {})
    return import_runs(store, uri, study=name, run_ids=[run.id for run in runs], rename=rename)
