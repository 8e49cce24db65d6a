"""Which runs of an MLflow store a user means, and which of them Tempo itself mirrored there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempo.core.catalog import unknown
from tempo.core.errors import MissingError, TempoError
from tempo.track.mlflow.client import connect
from tempo.track.mlflow.store_failures import explain
from tempo.track.mlflow_import.mlflow_reader import search_runs
from tempo.track.store_address import redacted, sqlite_file
from tempo.track.store_names import PARENT

if TYPE_CHECKING:
    from mlflow import MlflowClient

RUN_ID = re.compile(r"[0-9a-f]{32}")
"""A run's id as MLflow makes it; Tempo's own are shorter."""

_FILTER = re.compile(r"[=<>]|\b(?:I?LIKE|IN|IS)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRun:
    """A run of a store. `run_id`: the run of Tempo that it mirrors, if it is one."""

    id: str
    experiment: str
    run_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRuns:
    """The runs that a text means; `experiment` is its name where the text is one."""

    runs: tuple[FoundRun, ...]
    experiment: str | None = None


def find_runs(uri: str, text: str) -> NamedRuns:
    """What `text` means in the store at `uri`: an experiment's name, else a run's id, else a
    filter string over all experiments. Parent runs stand for their children.

    Raises:
        MissingError: when there is no such store or nothing of this; names the experiments.
        TempoError: when the store cannot be reached or does not understand the filter.
    """
    from mlflow.exceptions import MlflowException

    database = sqlite_file(uri)
    if database is not None and not database.is_file():
        raise MissingError(f"there is no MLflow store at {redacted(uri)}")
    try:
        return _find_runs(connect(uri), redacted(uri), text)
    except (MlflowException, OSError) as error:
        raise TempoError(f"cannot look {text!r} up in MLflow: {explain(error, uri)}") from error


def _find_runs(client: MlflowClient, uri: str, text: str) -> NamedRuns:
    names = {
        str(each.experiment_id): str(each.name)
        for each in client.search_experiments(max_results=1000)
    }
    if text in names.values():
        ids = [key for key, name in names.items() if name == text]
        return NamedRuns(runs=_found(_children(client, ids, ""), names), experiment=text)
    if not RUN_ID.fullmatch(text) and not _FILTER.search(text):
        known = sorted(names.values())
        raise MissingError(
            f"{unknown('MLflow experiment', text, known)}; it is neither the id of a run (32 hex "
            f"digits) nor a filter (tags.variant = 'x') in {uri} either"
        )
    where = f"attributes.run_id = '{text}'" if RUN_ID.fullmatch(text) else text
    runs = _found(_children(client, list(names), where), names)
    if not runs:
        listed = ", ".join(sorted(names.values()))
        raise MissingError(f"no runs in {uri} are {text!r} (experiments: {listed})")
    return NamedRuns(runs=runs)


def _children(client: MlflowClient, ids: list[str], where: str) -> Iterator[Any]:
    """The runs found, a study's parent run replaced by the runs under it."""
    for run in search_runs(client, ids, where):
        if run.data.tags.get("role") != "study":
            yield run
        elif where:
            under = f"tags.`{PARENT}` = '{run.info.run_id}'"
            yield from search_runs(client, [run.info.experiment_id], under)


def _found(runs: Iterator[Any], names: dict[str, str]) -> tuple[FoundRun, ...]:
    """Each run once, the oldest first: MLflow lists the newest first."""
    by_id = {
        run.info.run_id: FoundRun(
            id=run.info.run_id,
            experiment=names[str(run.info.experiment_id)],
            run_id=run.data.tags.get("run_id"),
        )
        for run in runs
    }
    return tuple(reversed(by_id.values()))
