"""Connect to an MLflow store, send batches, and explain its errors; MLflow is imported late."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, zip_longest
from pathlib import Path
from shutil import copyfile
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from filelock import FileLock

from tempo.core.errors import MissingError, TempoError
from tempo.core.redaction import redacted
from tempo.records.events import encode
from tempo.records.files import is_there, open_file
from tempo.track.mlflow.empty_store import make_empty
from tempo.track.mlflow.lean_import import import_lean
from tempo.track.mlflow.metric_points import Point
from tempo.track.store_address import sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

METRICS_PER_BATCH = 800
TEXTS_PER_BATCH = 100
"""Most params, and most tags, that MLflow takes in one request; of all together it takes 1,000."""

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A request that MLflow repeats by itself may create a run twice: the mirror retries instead,
    # after looking for what the lost request may have done.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
KNOCK_SECONDS = 5.0

NOTHING: Mapping[str, str] = MappingProxyType({})

_IMPORT = threading.Lock()


def connect(uri: str) -> MlflowClient:
    """A client of the store at `uri`, which exists afterwards if it is an sqlite file.

    Raises:
        MissingError: when mlflow is not installed.
        OSError: when the server or the database does not accept connections.
        TempoError: when the file is no database.
    """
    with _IMPORT:
        client_class = _import_client()
    database = sqlite_file(uri)
    if database is not None:
        _check_database(database)
        _put_once(database, lambda draft: _build(client_class, draft))
    else:
        _knock(uri)
    return client_class(uri)


_SQLITE_BEGINS = b"SQLite format 3\0"


def _check_database(database: Path) -> None:
    """Raise a TempoError for a file that is no database: SQLAlchemy would wait for a named pipe."""
    if not is_there(database):
        return
    with open_file(database, sys.maxsize) as file:
        begins = file.read(len(_SQLITE_BEGINS))
    # An empty file becomes a database when it is first written to.
    if begins not in {b"", _SQLITE_BEGINS}:
        raise TempoError(
            f"{database} is no MLflow store: it is no SQLite database. A store is a URI "
            "(http://HOST:PORT, postgresql://..., sqlite:///FILE) or a database of MLflow (*.db)"
        )


def _knock(uri: str) -> None:
    """Raise an OSError unless the server accepts connections: MLflow would retry for minutes."""
    parts = urlsplit(uri)
    port = parts.port or _PORTS.get(parts.scheme.split("+")[0])
    if parts.hostname and port:
        socket.create_connection((parts.hostname, port), timeout=KNOCK_SECONDS).close()


def _import_client(*, lean: bool = False) -> type[MlflowClient]:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if lean:
        import_lean()
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise MissingError("the MLflow mirror needs mlflow: pip install mlflow") from error
    for name in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient


def _build(client_class: type[MlflowClient], path: Path) -> None:
    def build(path: Path) -> None:
        client_class(f"sqlite:///{path}").search_experiments(max_results=1)

    make_empty(path, build)


def _put_once(database: Path, write: Callable[[Path], object]) -> None:
    """Write a database unless it is there: under a lock and another name, renamed when whole.

    Processes that create one store at the same time break it, and so does one that dies half-way.
    """
    if database.exists():
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        if database.exists():
            return
        draft = database.with_name(f".{database.name}.{os.getpid()}.new")
        draft.unlink(missing_ok=True)
        write(draft)
        draft.replace(database)


def prepare(uri: str, folder: Path) -> Path | None:
    """Do ahead of time what `connect` would spend seconds on: import MLflow and, for an sqlite
    store that does not exist, build an empty one in `folder`; returns it, for `adopt`.

    Raises:
        MissingError: when mlflow is not installed.
    """
    database = sqlite_file(uri)
    with _IMPORT:
        client_class = _import_client(lean=database is not None)
    if database is None or database.exists():
        return None
    draft = folder / "empty.db"
    _build(client_class, draft)
    return draft


def adopt(draft: Path, uri: str) -> None:
    """Make a prepared store the one at `uri`, unless there is one by now."""
    database = sqlite_file(uri)
    if database is not None:
        _put_once(database, lambda path: copyfile(draft, path))


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def find_run(client: MlflowClient, experiment_id: str, tag: str, value: str) -> str | None:
    """Return the id of the run that has a tag with this value, of several the oldest."""
    found = client.search_runs(
        [experiment_id],
        filter_string=f"tags.`{tag}` = '{value}'",
        order_by=["attributes.start_time ASC"],
        max_results=1,
    )
    return str(found[0].info.run_id) if found else None


def send_batch(
    client: MlflowClient,
    mlflow_id: str,
    *,
    points: Iterable[Point] = (),
    params: Mapping[str, str] = NOTHING,
    tags: Mapping[str, str] = NOTHING,
) -> None:
    """Send metric points, params and tags in as few requests as MLflow allows.

    A repeated point is stored once. MLflow refuses a second value for a param: see `fresh_params`.
    """
    from mlflow.entities import Metric, Param, RunTag

    metrics = (Metric(each.key, each.value, each.timestamp, each.step) for each in points)
    kinds = (
        batches(metrics, METRICS_PER_BATCH),
        batches((Param(*each) for each in params.items()), TEXTS_PER_BATCH),
        batches((RunTag(*each) for each in tags.items()), TEXTS_PER_BATCH),
    )
    for batch in zip_longest(*kinds, fillvalue=()):
        client.log_batch(mlflow_id, *batch)


def fresh_params(client: MlflowClient, mlflow_id: str, params: Mapping[str, str]) -> dict[str, str]:
    """Return the params that a run has no value for yet.

    The same run is described anew when a folder moved, or a version of Tempo has further options:
    its spec, which is attached, then holds the new values.
    """
    known = client.get_run(mlflow_id).data.params
    return {name: value for name, value in params.items() if name not in known}


def attach_text(client: MlflowClient, mlflow_id: str, name: str, text: str) -> None:
    """Store `text` as the artifact `name`; a second time replaces the first."""
    client.log_text(mlflow_id, text, name)


def attach_json(client: MlflowClient, mlflow_id: str, name: str, value: Any) -> None:
    attach_text(client, mlflow_id, name, json.dumps(encode(value), indent=2) + "\n")


_OF_ONE_RUN = {
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "BAD_REQUEST",
    "RESOURCE_DOES_NOT_EXIST",
    "NOT_FOUND",
    "RESOURCE_ALREADY_EXISTS",
}


def concerns_one_run(error: Exception) -> bool:
    """Whether the store answers and refuses, so that the other runs can still be sent."""
    return getattr(error, "error_code", None) in _OF_ONE_RUN


def explain(error: Exception, uri: str) -> str:
    """One line for the display, without credentials."""
    if isinstance(error, TempoError):
        text = str(error)
    elif unreachable(error):
        text = f"{uri} does not answer"
    else:
        text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return redacted(text, uri)


def unreachable(error: BaseException) -> bool:
    """Whether a connection could not be made or broke off."""
    names = {"ConnectionError", "Timeout", "ReadTimeout", "ConnectTimeout", "OperationalError"}
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) or type(seen).__name__ in names:
            return True
        seen = seen.__cause__ or seen.__context__
    return "API request to" in str(error) and "failed with exception" in str(error)
