"""Mirror a study's records into MLflow, in passes that can be repeated at any time.

`open` and `finish` write down what shall be seen; `sync` brings MLflow up to the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun
from tempo.core.redaction import redacted
from tempo.ledger.open import open_ledger
from tempo.ledger.port import is_active
from tempo.records.disk.removals import NAME as REMOVED
from tempo.records.disk.sizes import size_of
from tempo.records.event_log import NAME
from tempo.records.layout import Store
from tempo.records.pruned_runs import pruned_runs
from tempo.track.mirror_state import Invocations, MirrorState, describe
from tempo.track.mirror_thread import SyncThread
from tempo.track.mlflow.child_run import ChildSender
from tempo.track.mlflow.client import concerns_one_run, connect, explain
from tempo.track.mlflow.replicate_summary import summarise
from tempo.track.mlflow.run_content import Limits
from tempo.track.mlflow.study_run import ParentSender, ensure_experiment, experiment_tags
from tempo.track.mlflow.study_view import save_view
from tempo.track.mlflow.test_set_results import TestSetSender
from tempo.track.store_address import artifact_location, default_uri, store_key

if TYPE_CHECKING:
    from mlflow import MlflowClient

INTERVAL = 10.0
"""Seconds between two passes over the records: MLflow's pages refresh less often."""

LOCK_WAIT = 30.0
"""Seconds to wait for another process that mirrors the same study."""


class MlflowMirror:
    """A Tracker that mirrors the records of `store` into the MLflow store at `uri`.

    By default that is an sqlite file beside the records. Credentials of a server come from
    MLflow's own environment variables and are never written down. `problem`: why MLflow is behind
    the records, or None; `experiment_id`: the study's experiment, once it is known.
    """

    def __init__(
        self,
        store: Store,
        uri: str | None = None,
        *,
        limits: Limits | None = None,
        interval: float = INTERVAL,
    ) -> None:
        self._store = store
        self._uri = uri or default_uri(store.root)
        self._limits = limits or Limits()
        self._background = SyncThread(self.sync, interval)
        self._plan: Plan | None = None
        self._own: str | None = None
        self._about: dict[str, Any] | None = None
        self._client: MlflowClient | None = None
        # The size of each event file, and of the note of removals, when all had been dealt with.
        self._seen: dict[str, tuple[int, int, bool]] = {}
        self._judged: dict[str, tuple[int, str | None]] = {}
        self.problem: str | None = None
        self.experiment_id: str | None = None

    @property
    def uri(self) -> str:
        return redacted(self._uri)

    def open(self, plan: Plan, invocation: Mapping[str, Any] | None) -> None:
        """Mirror `plan` from now on; see Tracker. Writes to disk only."""
        self._plan, self._client = plan, None
        self._about = None if invocation is None else dict(invocation)
        self._own = None if invocation is None else self._book().begin(invocation)

    def grow(self, plan: Plan) -> None:
        """The same study's plan with more variants and runs, from the next pass on."""
        self._plan = plan

    def start(self) -> None:
        self._background.start()

    def hurry(self) -> None:
        self._background.hurry()

    def stop(self, timeout: float = 10.0) -> None:
        """End the background thread, if there is one; a request under way is waited for."""
        self._background.stop(timeout)

    def sync(self, *, over: bool | None = None) -> bool:
        """One pass; see Tracker. A store that is down makes it False and sets `problem`.

        A run that somebody holds in the ledger is going on, whatever `over` says.
        """
        if over is None:
            over = self._own is None and not self._book().live(None)
        if self._own is not None:
            describe(self._state().environment(self._own))
        try:
            with FileLock(self._state().lock, timeout=LOCK_WAIT):
                problems = self._pass(over=over)
        except Timeout:
            problems = [f"another process mirrors {self._opened().study!r}"]
        except Exception as error:
            # Whatever a store raises, the study goes on; the display shows `problem`.
            self._client = None
            problems = [explain(error, self._uri)]
        self.problem = "; ".join(problems[:3]) or None
        return not problems

    def finish(
        self,
        status: str,
        artifacts: Sequence[Path] = (),
        metrics: Mapping[str, float] | None = None,
    ) -> bool:
        """Close the invocation as `complete`, `failed` or `stopped`, and sync a last time.

        What cannot be sent now is kept for `sync`. Returns whether everything was sent.
        """
        self.stop()
        book = self._book()
        if self._own is None:
            raise RuntimeError("no invocation is open")
        # Another process that mirrors the study would write over it what was read before.
        lock = FileLock(self._state().lock)
        with suppress(Timeout):
            lock.acquire(timeout=LOCK_WAIT)
        try:
            book.end(book.get(self._own), status, artifacts, metrics)
        finally:
            lock.release()
        return self.sync(over=not book.live(self._own))

    def _opened(self) -> Plan:
        if self._plan is None:
            raise RuntimeError("open a plan first")
        return self._plan

    def _state(self) -> MirrorState:
        folder = self._store.root / "mirror" / store_key(self._uri) / self._opened().study
        folder.mkdir(parents=True, exist_ok=True)
        return MirrorState(folder)

    def _book(self) -> Invocations:
        return Invocations(store=self._store, plan=self._opened(), state=self._state())

    def _connected(self) -> tuple[MlflowClient, str]:
        """Find or create the experiment, and keep the client until an error occurs."""
        if self._client is None or self.experiment_id is None:
            plan, client = self._opened(), connect(self._uri)
            location = artifact_location(self._uri, self._store.root, plan.study)
            tags = experiment_tags(plan, self._about)
            self.experiment_id = ensure_experiment(client, plan, location, self._state(), tags)
            save_view(client, self.experiment_id)
            self._client, self._seen, self._judged = client, {}, {}
        return self._client, self.experiment_id

    def _pass(self, *, over: bool) -> list[str]:
        """Bring the experiment up to the records; returns what could not be sent, in words."""
        client, experiment = self._connected()
        book = self._book()
        book.supply()
        book.close_dead(self._own, over=over)
        parents = ParentSender(
            client=client, experiment_id=experiment, plan=book.plan, state=book.state
        )
        for invocation in book.state.invocations():
            parents.ensure(invocation)
        children = ChildSender(
            client=client,
            experiment_id=experiment,
            store=self._store,
            plan=book.plan,
            state=book.state,
            parent_of=lambda moment: str(book.parent_at(moment).mlflow_id),
            limits=self._limits,
            pruned=pruned_runs(self._store, book.plan),
        )
        problems, changed = self._send_children(children, over=over)
        known = book.sent()
        further = TestSetSender(
            client=client,
            experiment_id=experiment,
            store=self._store,
            plan=book.plan,
            state=book.state,
            parent=str(known[-1].mlflow_id),
            seen=self._judged,
        )
        problems += further.send()
        closing = [each for each in known if each.ended is not None and each.sent != "end"]
        if closing or changed:
            summaries = summarise(self._store, book.plan)
            parents.show_summary(str(known[-1].mlflow_id), summaries)
            for invocation in closing:
                parents.finish(invocation, summaries)
        if closing:
            save_view(client, experiment)
        return problems

    def _send_children(self, sender: ChildSender, *, over: bool) -> tuple[list[str], bool]:
        """Send the runs whose event files grew; whether the status of one changed."""
        problems: list[str] = []
        changed = False
        runs = sender.plan.distinct_runs
        ledger = open_ledger(None, self._store.root)
        holds = ledger.holds([run.run_id for run in runs]) if over else {}
        ledger.close()
        for run in runs:
            folder = self._store.run_dir(run.run_id)
            ended = over and not is_active(holds.get(run.run_id))
            size = (size_of(folder / NAME), size_of(folder / REMOVED), ended)
            if self._seen.get(run.run_id) == size:
                continue
            missing, shown = self._send_child(sender, run, over=ended)
            problems += missing
            changed |= shown
            if not missing:
                self._seen[run.run_id] = size
        return problems, changed

    def _send_child(
        self, sender: ChildSender, run: PlannedRun, *, over: bool
    ) -> tuple[list[str], bool]:
        """Send one run; an error of this run alone is reported, and the others are still sent."""
        from mlflow.exceptions import MlflowException

        try:
            return sender.send(run, over=over)
        except (MlflowException, RecordError) as error:
            if isinstance(error, MlflowException) and not concerns_one_run(error):
                raise
            return [f"{run.title}: {explain(error, self._uri)}"], False
