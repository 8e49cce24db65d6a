"""Compute and show a run's status, attempt and failure, as MLflow lists them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tempo.core.records import RunStatus
from tempo.records.events import AttemptStarted, Finished, Logged
from tempo.track.mlflow.client import log_tags
from tempo.track.mlflow.metric_points import milliseconds
from tempo.track.store_names import MLFLOW_STATUS, NOTE, PARENT

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStatus:
    """As of the event at `time`; `began` is when the newest attempt began.

    `reaped`: no process carried the run out any more, and its attempt had recorded no end.
    """

    status: RunStatus
    attempt: int
    began: float
    time: float
    failure: str | None = None
    message: str = ""
    reaped: bool = False


def fold(events: Iterable[Logged], before: ShownStatus | None) -> ShownStatus | None:
    """The standing after `events`, given the one before. Folding an event twice changes nothing."""
    now = before
    for logged in events:
        now = _after(logged, now)
    return now


def _after(logged: Logged, before: ShownStatus | None) -> ShownStatus:
    event = logged.event
    begun = ShownStatus(
        status=RunStatus.RUNNING, attempt=logged.attempt, began=logged.time, time=logged.time
    )
    if before is None or isinstance(event, AttemptStarted):
        return begun
    if isinstance(event, Finished):
        return ShownStatus(
            status=RunStatus(event.status),
            attempt=logged.attempt,
            began=before.began,
            time=logged.time,
            failure=event.failure,
            message=event.message,
        )
    if before.reaped and logged.time > before.time:
        return replace(before, status=RunStatus.RUNNING, time=logged.time, reaped=False)
    return before


def reap(standing: ShownStatus, last: float) -> ShownStatus:
    """The same run when nobody carries it out: one without an end stopped at `last`."""
    if standing.status != RunStatus.RUNNING:
        return standing
    return replace(standing, status=RunStatus.STOPPED, time=last, reaped=True)


def show(
    client: MlflowClient, mlflow_id: str, parent: str, now: ShownStatus, before: ShownStatus | None
) -> None:
    """Update tags and status of the child run from `before` to `now`."""
    tags = {"status": str(now.status), "attempt": str(now.attempt), PARENT: parent}
    if now.failure:
        tags |= {"failure": now.failure, NOTE: f"Failed ({now.failure}): {now.message}"}
    log_tags(client, mlflow_id, tags)
    if before is not None and before.failure and not now.failure:
        client.delete_tag(mlflow_id, "failure")
        client.delete_tag(mlflow_id, NOTE)
    if now.status == RunStatus.RUNNING:
        client.update_run(mlflow_id, status=MLFLOW_STATUS[now.status])
    else:
        client.set_terminated(mlflow_id, MLFLOW_STATUS[now.status], milliseconds(now.time))
