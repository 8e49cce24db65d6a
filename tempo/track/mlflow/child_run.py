"""Mirror one run of a plan as one child run of MLflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.records.disk.removals import removal_of
from tempo.records.events import AttemptStarted, Evaluated, Finished, Logged, encode
from tempo.records.layout import Store
from tempo.records.pruned_runs import status_in
from tempo.track.mirror_state import ChildState, MirrorState, ShownStatus
from tempo.track.mlflow.client import attach_text, find_run, fresh_params, send_batch
from tempo.track.mlflow.metric_points import milliseconds
from tempo.track.mlflow.removed_artifacts import delete_removed, removals_of
from tempo.track.mlflow.run_content import EventSender, Limits
from tempo.track.settled_events import SupersededError, advance, pending, settled
from tempo.track.store_names import MLFLOW_STATUS, NOTE, PARENT, params, run_tags, source_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSender:
    """Sends what the records of a plan's runs hold and the store does not.

    `parent_of` gives the parent run for an attempt that began at a time. `pruned`: ids of the runs
    that a search stopped.
    """

    client: MlflowClient
    experiment_id: str
    store: Store
    plan: Plan
    state: MirrorState
    parent_of: Callable[[float], str]
    limits: Limits
    pruned: frozenset[str] = frozenset()

    def send(self, run: PlannedRun, *, over: bool) -> tuple[list[str], bool]:
        """Mirror what is new of `run`; return the files that the records name and do not hold, and
        whether the run's status or attempt changed."""
        state = self.state.child(run.run_id)
        folder = self.store.run_dir(run.run_id)
        try:
            events = pending(folder, state.position)
        except SupersededError as error:
            self._abandon(state, str(error))
            state = ChildState()
            events = pending(folder, None)
        if not events and state.mlflow_id is None:
            return [], False
        mlflow_id = self._ensure(run, state, events)
        content = EventSender(self.client, mlflow_id, folder, self.limits)
        final, before = settled(events, over=over), state.shown
        missing = content.send(_without_repeats(final, state))
        self._send_standing(run, state, events, over=over)
        if final:
            state.position = advance(state.position, events, final)
        removals = removals_of(folder)
        if new := [each for each in removals if each.time > state.removed]:
            delete_removed(content, new)
            state.removed = max(each.time for each in new)
        self.state.save_child(run.run_id, state)
        # What a keep policy let go is not missed.
        absent = [path for path in missing if not removal_of(folder, Path(path), removals)]
        return [f"{run.title}: {path} is missing" for path in absent], state.shown != before

    def _abandon(self, state: ChildState, reason: str) -> None:
        """Points cannot be taken back: the child run is deleted and another takes its place."""
        if state.mlflow_id is None:
            return
        self.client.set_tag(state.mlflow_id, "tempo.superseded", reason)
        self.client.delete_run(state.mlflow_id)

    def _ensure(self, run: PlannedRun, state: ChildState, events: Sequence[Logged]) -> str:
        made = False
        if state.mlflow_id is None:
            # The local state may be lost, and the run there all the same.
            found = find_run(self.client, self.experiment_id, "run_id", run.run_id)
            made = found is None
            state.mlflow_id = found or self._create(run, events[0])
            self.state.save_child(run.run_id, state)
        if state.described != self.plan.spec_hash:
            variant = self.plan.variant(run.variant)
            chosen, tags = params(self.plan, variant), run_tags(self.plan, run)
            if not made:
                chosen = fresh_params(self.client, state.mlflow_id, chosen)
            send_batch(self.client, state.mlflow_id, params=chosen, tags=tags)
            spec = yaml.safe_dump(encode(variant.config), sort_keys=False, allow_unicode=True)
            attach_text(self.client, state.mlflow_id, "spec.yaml", spec)
            state.described = self.plan.spec_hash
        return state.mlflow_id

    def _create(self, run: PlannedRun, first: Logged) -> str:
        created = self.client.create_run(
            self.experiment_id,
            start_time=milliseconds(first.time),
            run_name=run.title,
            tags={"run_id": run.run_id} | source_tags(self.plan),
        )
        return str(created.info.run_id)

    def _send_standing(
        self, run: PlannedRun, state: ChildState, events: Sequence[Logged], *, over: bool
    ) -> None:
        """Send status, attempt, parent and failure as of the newest event, settled or not."""
        now = fold(events, state.shown)
        if now is None:
            return
        if over:
            now = reap(now, events[-1].time if events else now.time)
        now = replace(now, status=status_in(run.run_id, now.status, self.pruned))
        if now != state.shown:
            show(self.client, str(state.mlflow_id), self.parent_of(now.began), now, state.shown)
            state.shown = now


def _without_repeats(events: Sequence[Logged], state: ChildState) -> list[Logged]:
    """`events` less a second evaluation of a split: a run killed after its evaluation repeats it,
    and the first one counts."""
    kept = []
    for logged in events:
        if isinstance(logged.event, Evaluated):
            if logged.event.split in state.evaluated:
                continue
            state.evaluated.append(logged.event.split)
        kept.append(logged)
    return kept


def fold(events: Iterable[Logged], before: ShownStatus | None) -> ShownStatus | None:
    """The standing after `events`, given the one before. Folding an event twice changes nothing."""
    for logged in events:
        before = _after(logged, before)
    return before


def _after(logged: Logged, before: ShownStatus | None) -> ShownStatus:
    event = logged.event
    begun = ShownStatus(
        status=RunStatus.RUNNING, attempt=logged.attempt, began=logged.time, time=logged.time
    )
    if before is None or isinstance(event, AttemptStarted):
        return begun
    if isinstance(event, Finished):
        return replace(
            begun,
            status=RunStatus(event.status),
            began=before.began,
            failure=event.failure,
            message=event.message,
        )
    if before.reaped and logged.time > before.time:
        return replace(before, status=RunStatus.RUNNING, time=logged.time, reaped=False)
    return before


def reap(standing: ShownStatus, last: float) -> ShownStatus:
    """Return the status of a run that no process carries out: without an end, stopped at `last`."""
    if standing.status != RunStatus.RUNNING:
        return standing
    return replace(standing, status=RunStatus.STOPPED, time=last, reaped=True)


def show(
    client: MlflowClient, mlflow_id: str, parent: str, now: ShownStatus, before: ShownStatus | None
) -> None:
    """Update tags and status of the child run from `before` to `now`."""
    tags = {"status": str(now.status), "attempt": str(now.attempt), PARENT: parent}
    if now.failure:
        ended = str(now.status).capitalize()
        tags |= {"failure": now.failure, NOTE: f"{ended} ({now.failure}): {now.message}"}
    send_batch(client, mlflow_id, tags=tags)
    if before is not None and before.failure and not now.failure:
        client.delete_tag(mlflow_id, "failure")
        client.delete_tag(mlflow_id, NOTE)
    if now.status == RunStatus.RUNNING:
        client.update_run(mlflow_id, status=MLFLOW_STATUS[now.status])
    else:
        client.set_terminated(mlflow_id, MLFLOW_STATUS[now.status], milliseconds(now.time))
