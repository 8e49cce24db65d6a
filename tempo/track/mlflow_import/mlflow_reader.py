"""Reading runs out of an MLflow store, whoever logged them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempo.core.catalog import unknown
from tempo.core.errors import MissingError, TempoError
from tempo.track.mlflow.client import connect
from tempo.track.mlflow.store_failures import explain

if TYPE_CHECKING:
    from mlflow import MlflowClient

PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run as a tracking store holds it. Times are Unix seconds, `ended` None while it runs.

    `history`: metric -> (step, time, value) in order of step and time.
    """

    id: str
    name: str
    experiment: str
    status: str
    started: float
    ended: float | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    history: Mapping[str, Sequence[tuple[int, float, float]]]


def read_runs(
    uri: str,
    experiments: Sequence[str] = (),
    where: str = "",
    run_ids: Sequence[str] = (),
) -> list[StoredRun]:
    """The runs of `experiments` (all of them by default) that MLflow's filter `where` keeps, and
    those of `run_ids`, oldest first, with the history of every metric.

    Raises:
        MissingError: for an experiment that the store does not have; names those it has.
        TempoError: when the store cannot be reached or does not understand the filter.
    """
    from mlflow.exceptions import MlflowException

    try:
        client = connect(uri)
        names = _experiments(client, experiments)
        found = {run.info.run_id: run for run in map(client.get_run, run_ids)}
        if experiments or where or not run_ids:
            found |= {run.info.run_id: run for run in search_runs(client, list(names), where)}
        runs = [_stored(client, run, names) for run in found.values()]
    except (MlflowException, OSError) as error:
        raise TempoError(f"cannot read runs from MLflow: {explain(error, uri)}") from error
    return sorted(runs, key=lambda run: (run.started, run.id))


def _experiments(client: MlflowClient, wanted: Sequence[str]) -> dict[str, str]:
    """Experiment id -> name, of those wanted."""
    found = client.search_experiments(max_results=1000)
    names = {str(each.experiment_id): str(each.name) for each in found}
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
    history = {
        key: tuple(
            (each.step, each.timestamp / 1000, each.value)
            for each in sorted(
                client.get_metric_history(run.info.run_id, key),
                key=lambda each: (each.step, each.timestamp),
            )
        )
        for key in run.data.metrics
    }
    experiment_id = str(run.info.experiment_id)
    return StoredRun(
        id=run.info.run_id,
        name=run.info.run_name or run.info.run_id,
        experiment=names.get(experiment_id) or client.get_experiment(experiment_id).name,
        status=run.info.status,
        started=(run.info.start_time or 0) / 1000,
        ended=run.info.end_time / 1000 if run.info.end_time else None,
        params=dict(run.data.params),
        tags=dict(run.data.tags),
        history=history,
    )
