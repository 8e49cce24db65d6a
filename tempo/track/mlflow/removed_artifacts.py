"""Delete from MLflow the artifacts whose files a keep policy removed from the records."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tempo.core.errors import RecordError
from tempo.records.disk.removals import Removal, read_removals
from tempo.records.event_log import read_events
from tempo.records.events import EVENTS, Evaluated
from tempo.track.mlflow.run_content import FOLDER, EventSender

if TYPE_CHECKING:
    from mlflow import MlflowClient

_EVALUATIONS = tuple(kind for kind in EVENTS if kind != Evaluated.kind)


def removals_of(folder: Path) -> tuple[Removal, ...]:
    """Return what was removed of a run; nothing where the note of it is damaged."""
    try:
        return read_removals(folder)
    except RecordError:
        return ()


def delete_removed(content: EventSender, removals: Sequence[Removal]) -> None:
    """Delete the artifacts of one run that hold what was removed."""
    wanted = set(_artifacts(content, removals))
    if not wanted:
        return
    client, mlflow_id = content.client, content.mlflow_id
    # A store answers for a folder at once, and need not have all that the records had.
    folders = sorted({name.rpartition("/")[0] for name in wanted})
    there = {each.path for at in folders for each in client.list_artifacts(mlflow_id, at)}
    _delete(client, mlflow_id, sorted(wanted & there))


def _artifacts(content: EventSender, removals: Iterable[Removal]) -> Iterator[str]:
    """Yield the names under which removed files were attached, had they been."""
    gone = {path for each in removals for path in each.paths}
    for path in sorted(gone):
        if path.startswith("checkpoints/") and not (content.folder / path).exists():
            yield path
    if "gallery" not in gone or (content.folder / "gallery").exists():
        return
    # However many were shown when they were sent.
    every = replace(content, limits=replace(content.limits, gallery=sys.maxsize))
    for logged in read_events(content.folder, without=_EVALUATIONS):
        for picture in every.pictures(logged):
            yield f"{FOLDER}/{picture.stem}.png"
            yield f"{FOLDER}/{picture.stem}+compressed.webp"


def _delete(client: MlflowClient, mlflow_id: str, names: Sequence[str]) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    if not names:
        return
    uri = str(client.get_run(mlflow_id).info.artifact_uri)
    repository = get_artifact_repository(uri, tracking_uri=client.tracking_uri)
    for name in names:
        repository.delete_artifacts(name)  # type: ignore[no-untyped-call]
