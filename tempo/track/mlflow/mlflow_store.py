"""Mirror a study's records into MLflow, in passes that can be repeated at any time.

`open` and `finish` write down what shall be seen; `sync` brings MLflow up to the records. Nothing
here is needed to carry a study out, and everything can be repeated by anyone at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun
from tempo.ledger.open import open_ledger
from tempo.ledger.port import is_active
from tempo.records.event_log import NAME
from tempo.records.layout import Store
from tempo.track.invocations import Invocations, describe
from tempo.track.mirror_state import MirrorState
from tempo.track.mirror_thread import SyncThread
from tempo.track.mlflow.child_run import ChildSender, SendResult
from tempo.track.mlflow.client import concerns_one_run, connect, explain
from tempo.track.mlflow.replicate_summary import summarise
from tempo.track.mlflow.run_content import Limits
from tempo.track.mlflow.study_run import ParentSender, describe_experiment, ensure_experiment
from tempo.track.store_address import artifact_location, default_uri, redacted, store_key

if TYPE_CHECKING:
    from mlflow import MlflowClient

INTERVAL = 10.0
"""Seconds between two passes over the records: MLflow's pages refresh less often."""

LOCK_WAIT = 30.0
"""Seconds to wait for another process that mirrors the same study."""


class MlflowMirror:
    """A Tracker that mirrors the records of `store` into the MLflow store at `uri`.

    By default that is an sqlite file beside the records. Credentials of a server come from
    MLflow's own environment variables and are never written down.
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
        self._mirror: StudyMirror | None = None
        self._problem: str | None = None
        self._experiment_id: str | None = None

    @property
    def uri(self) -> str:
        """The store's address without credentials."""
        return redacted(self._uri)

    @property
    def problem(self) -> str | None:
        """Why MLflow is behind the records, or None."""
        return self._problem

    @property
    def experiment_id(self) -> str | None:
        """The study's experiment, once it is known."""
        return self._experiment_id

    def open(self, plan: Plan, invocation: Mapping[str, Any] | None) -> None:
        """Mirror `plan` from now on; see Tracker. Writes to disk only."""
        self._plan = plan
        self._mirror = None
        self._own = None
        self._about = None if invocation is None else dict(invocation)
        if invocation is not None:
            self._own = self._book().begin(invocation)

    def grow(self, plan: Plan) -> None:
        """The same study's plan with more variants and runs, from the next pass on."""
        self._plan = plan

    def start(self) -> None:
        """Mirror in the background from now on."""
        self._background.start()

    def hurry(self) -> None:
        """Start a pass over the records now, in the background."""
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
                problems = self._study().run(self._own, over=over)
        except Timeout:
            problems = [f"another process mirrors {self._opened().study!r}"]
        except Exception as error:
            # Whatever a store raises, the study goes on; the display shows `problem`.
            self._mirror = None
            problems = [explain(error, self._uri)]
        self._problem = "; ".join(problems[:3]) or None
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
        book.end(book.get(self._own), status, artifacts, metrics)
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

    def _study(self) -> StudyMirror:
        """Find or create the experiment, and keep its mirror until an error occurs."""
        if self._mirror is None:
            plan, state = self._opened(), self._state()
            client = connect(self._uri)
            location = artifact_location(self._uri, self._store.root, plan.study)
            self._experiment_id = ensure_experiment(client, plan, location, state)
            if self._about is not None:
                describe_experiment(client, self._experiment_id, plan, self._about)
            self._mirror = StudyMirror(
                client=client,
                uri=self._uri,
                experiment_id=self._experiment_id,
                store=self._store,
                plan=plan,
                state=state,
                limits=self._limits,
            )
        self._mirror.plan = self._opened()
        return self._mirror


@dataclass(slots=True, kw_only=True)
class StudyMirror:
    """A plan on its way to one experiment.

    `seen` holds how large each run's event file was when all of it had been dealt with.
    """

    client: MlflowClient
    uri: str
    experiment_id: str
    store: Store
    plan: Plan
    state: MirrorState
    limits: Limits
    seen: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def run(self, own: str | None, *, over: bool) -> list[str]:
        """Bring the experiment up to the records; returns what could not be sent, in words.

        Raises:
            Exception: whatever the client raises when the store is down.
        """
        book = Invocations(store=self.store, plan=self.plan, state=self.state)
        book.supply()
        book.close_dead(own, over=over)
        parents = ParentSender(
            client=self.client, experiment_id=self.experiment_id, plan=self.plan, state=self.state
        )
        for invocation in self.state.invocations():
            parents.ensure(invocation)
        problems, changed = self._children(book, over=over)
        self._parents(parents, changed=changed)
        return problems

    def _children(self, book: Invocations, *, over: bool) -> tuple[list[str], bool]:
        sender = ChildSender(
            client=self.client,
            experiment_id=self.experiment_id,
            store=self.store,
            plan=self.plan,
            state=self.state,
            parent_of=lambda moment: str(book.parent_at(moment).mlflow_id),
            limits=self.limits,
        )
        problems: list[str] = []
        changed = False
        ledger = open_ledger(None, self.store.root)
        holds = ledger.holds([run.run_id for run in self.plan.distinct_runs]) if over else {}
        ledger.close()
        for run in self.plan.distinct_runs:
            path = self.store.run_dir(run.run_id) / NAME
            ended = over and not is_active(holds.get(run.run_id))
            size = (path.stat().st_size if path.is_file() else 0, ended)
            if self.seen.get(run.run_id) == size:
                continue
            outcome = self._child(sender, run, over=ended)
            problems += outcome.missing
            changed |= outcome.changed
            if not outcome.missing:
                self.seen[run.run_id] = size
        return problems, changed

    def _child(self, sender: ChildSender, run: PlannedRun, *, over: bool) -> SendResult:
        """Send one run; an error of this run alone is reported, and the others are still sent."""
        from mlflow.exceptions import MlflowException

        try:
            return sender.send(run, over=over)
        except (MlflowException, RecordError) as error:
            if isinstance(error, MlflowException) and not concerns_one_run(error):
                raise
            return SendResult(missing=(f"{run.title}: {explain(error, self.uri)}",))

    def _parents(self, parents: ParentSender, *, changed: bool) -> None:
        known = self.state.invocations()
        closing = [each for each in known if each.ended is not None and each.sent != "end"]
        if not closing and not changed:
            return
        summaries = summarise(self.store, self.plan)
        parents.show_summary(str(known[-1].mlflow_id), summaries)
        for invocation in closing:
            parents.finish(invocation, summaries)
