"""Read runs from an MLflow store and find those that a text names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempo.core.catalog import unknown
from tempo.core.errors import MissingError, TempoError
from tempo.core.redaction import redacted
from tempo.records.events import LAST_MOMENT
from tempo.records.files import is_there
from tempo.track.foreign_runs.stored_run import StoredRun
from tempo.track.mlflow.client import connect, explain
from tempo.track.store_address import sqlite_file
from tempo.track.store_names import PARENT

if TYPE_CHECKING:
    from mlflow import MlflowClient

PAGE = 200


def read_runs(
    uri: str, experiments: Sequence[str] = (), where: str = "", run_ids: Sequence[str] = ()
) -> list[StoredRun]:
    """The runs of `experiments` (all of them by default) that MLflow's filter `where` keeps, and
    those of `run_ids`, oldest first, with the history of every metric.

    Raises:
        MissingError: when there is no such store, or for an experiment that it does not have;
            names those it has.
        TempoError: when the store cannot be reached or does not understand the filter.
    """
    _require(uri)
    try:
        client = connect(uri)
        names = _experiments(client, experiments)
        found = {run.info.run_id: run for run in map(client.get_run, run_ids)}
        if experiments or where or not run_ids:
            found |= {run.info.run_id: run for run in search_runs(client, list(names), where)}
        runs = [_stored(client, run, names) for run in found.values()]
    except TempoError:
        raise
    except Exception as error:
        # What others fill, or answer, raises whatever MLflow and the database make of it.
        raise TempoError(f"cannot read runs from MLflow: {explain(error, uri)}") from error
    return sorted(runs, key=lambda run: (run.started, run.id))


def _all_experiments(client: MlflowClient) -> dict[str, str]:
    found = client.search_experiments(max_results=1000)
    return {str(each.experiment_id): str(each.name) for each in found}


def _experiments(client: MlflowClient, wanted: Sequence[str]) -> dict[str, str]:
    names = _all_experiments(client)
    for name in wanted:
        if name not in names.values():
            raise MissingError(unknown("MLflow experiment", name, sorted(names.values())))
    return {key: name for key, name in names.items() if not wanted or name in wanted}


def search_runs(client: MlflowClient, ids: list[str], where: str) -> Iterator[Any]:
    """The runs of the experiments `ids` that a filter keeps, page by page."""
    token: str | None = None
    while True:
        page = client.search_runs(ids, filter_string=where, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _stored(client: MlflowClient, run: Any, names: Mapping[str, str]) -> StoredRun:
    history = {}
    for key in run.data.metrics:
        points = client.get_metric_history(run.info.run_id, key)
        points = sorted(points, key=lambda point: (point.step, point.timestamp))
        history[key] = tuple((p.step, _seconds(p.timestamp), p.value) for p in points)
    experiment_id = str(run.info.experiment_id)
    return StoredRun(
        id=run.info.run_id,
        name=run.info.run_name or run.info.run_id,
        experiment=names.get(experiment_id) or client.get_experiment(experiment_id).name,
        status=run.info.status,
        started=_seconds(run.info.start_time or 0),
        ended=_seconds(run.info.end_time) if run.info.end_time else None,
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        history=history,
    )


def _seconds(milliseconds: int) -> float:
    """Return Unix seconds, within what clocks and calendars can show."""
    return min(max(milliseconds / 1000, 0.0), LAST_MOMENT - 1)


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
    _require(uri)
    try:
        return _find_runs(connect(uri), redacted(uri), text)
    except TempoError:
        raise
    except Exception as error:
        raise TempoError(f"cannot look {text!r} up in MLflow: {explain(error, uri)}") from error


def _require(uri: str) -> None:
    """Raise a MissingError for a database that does not exist: to read creates none."""
    database = sqlite_file(uri)
    if database is not None and not is_there(database):
        raise MissingError(f"there is no MLflow store at {redacted(uri)}")


def _find_runs(client: MlflowClient, uri: str, text: str) -> NamedRuns:
    names = _all_experiments(client)
    known = sorted(names.values())
    if text in names.values():
        ids = [key for key, name in names.items() if name == text]
        return NamedRuns(runs=_found(_children(client, ids, ""), names), experiment=text)
    if not RUN_ID.fullmatch(text) and not _FILTER.search(text):
        raise MissingError(
            f"{unknown('MLflow experiment', text, known)}; it is neither the id of a run (32 hex "
            f"digits) nor a filter (tags.variant = 'x') in {uri} either"
        )
    where = f"attributes.run_id = '{text}'" if RUN_ID.fullmatch(text) else text
    runs = _found(_children(client, list(names), where), names)
    if not runs:
        raise MissingError(f"no runs in {uri} are {text!r} (experiments: {', '.join(known)})")
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
