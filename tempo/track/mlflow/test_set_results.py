"""Mirror evaluations on further test sets as figures of the MLflow runs whose networks they judge.

A run of MLflow then stands in one row with its figures on every set, and charts compare all runs
on one set. A method of others, which no run of the study has trained, gets a run of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tempo.core.errors import RecordError
from tempo.core.identity import short_hash
from tempo.core.records import Plan, PlannedRun, PlannedTestSet, RunStatus
from tempo.records.event_log import NAME, read_events
from tempo.records.events import Evaluated, Logged
from tempo.records.layout import Store
from tempo.records.run_record import effective, read_run
from tempo.track.mirror_state import MirrorState
from tempo.track.mlflow.client import find_run, send_batch
from tempo.track.mlflow.metric_points import FINAL, Point, milliseconds
from tempo.track.mlflow.run_content import EventSender, Limits
from tempo.track.store_names import MLFLOW_STATUS, PARENT, safe_key, source_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSetSender:
    """Sends the results on further test sets that the store does not have.

    `parent` is the MLflow run under which methods of others stand. `seen` remembers, over passes,
    the size of each event file that has been dealt with and the MLflow run that it was for, so that
    an idle pass reads none.
    """

    client: MlflowClient
    experiment_id: str
    store: Store
    plan: Plan
    state: MirrorState
    parent: str
    seen: dict[str, tuple[int, str | None]]

    def send(self) -> list[str]:
        """Send what is new, and return what could not be sent, in words."""
        own = {(run.variant, run.seed): run.run_id for run in self.plan.runs}
        problems: list[str] = []
        for test_set in self.plan.test_sets:
            for run in test_set.runs:
                judged = own.get((run.variant, run.seed))
                try:
                    problems += self._send(test_set, run, judged)
                except RecordError as error:
                    problems.append(f"{run.title} on {test_set.title}: {error}")
        return problems

    def _send(self, test_set: PlannedTestSet, run: PlannedRun, judged: str | None) -> list[str]:
        path = self.store.run_dir(run.run_id) / NAME
        size = path.stat().st_size if path.is_file() else 0
        if not size:
            return []
        key = judged or short_hash(["method of others", run.variant])
        child = self.state.child(key)
        if self.seen.get(run.run_id) == (size, child.mlflow_id):
            return []
        result = _result(path.parent)
        if result is not None and child.mlflow_id is None and judged is None:
            child.mlflow_id = self._method_run(key, run, result)
        missing: list[str] = []
        # Of a run that is not in the store yet a later pass sends the figures.
        there = child.mlflow_id
        if result and there and child.test_sets.get(run.run_id) != result.time:
            missing = self._log(there, test_set, run, result)
            child.test_sets[run.run_id] = result.time
            self.state.save_child(key, child)
        self.seen[run.run_id] = (size, child.mlflow_id)
        return [f"{run.title} on {test_set.title}: {each} is missing" for each in missing]

    def _log(
        self, mlflow_id: str, test_set: PlannedTestSet, run: PlannedRun, result: Logged
    ) -> list[str]:
        event, stamp = result.event, milliseconds(result.time)
        assert isinstance(event, Evaluated)
        points = [
            Point(safe_key(f"test/{test_set.name}/{metric}"), float(value), stamp, FINAL)
            for metric, value in event.values.items()
        ]
        send_batch(self.client, mlflow_id, points=points)
        folder = self.store.run_dir(run.run_id)
        sender = EventSender(self.client, mlflow_id, folder, Limits())
        return [str(path) for path in sender.attach_table(event, safe_key(test_set.name))]

    def _method_run(self, key: str, run: PlannedRun, result: Logged) -> str:
        """Return the MLflow run of a method of others; it is created where there is none."""
        if found := find_run(self.client, self.experiment_id, "run_id", key):
            return found
        stamp = milliseconds(result.time)
        tags = {"run_id": key, "variant": run.variant, "role": "reference", PARENT: self.parent}
        made = self.client.create_run(
            self.experiment_id,
            start_time=stamp,
            run_name=run.title,
            tags=tags | source_tags(self.plan),
        )
        mlflow_id = str(made.info.run_id)
        send_batch(self.client, mlflow_id, tags={"status": str(RunStatus.COMPLETE)})
        self.client.set_terminated(mlflow_id, MLFLOW_STATUS[RunStatus.COMPLETE], stamp)
        return mlflow_id


def _result(folder: Path) -> Logged | None:
    """Return the event that holds the figures of a finished evaluation; None before it is one."""
    if read_run(folder).status is not RunStatus.COMPLETE:
        return None
    for logged in reversed(list(effective(read_events(folder)))):
        if isinstance(logged.event, Evaluated) and logged.event.split == "test":
            return logged
    return None
