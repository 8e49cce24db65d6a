"""One pass of the mirror over the records of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun
from tempo.ledger.open import open_ledger
from tempo.ledger.owner import is_active
from tempo.records.event_log import NAME
from tempo.records.layout import Store
from tempo.track.invocations import Invocations
from tempo.track.mirror_state import MirrorState
from tempo.track.mlflow.child_run import ChildSender, Outcome
from tempo.track.mlflow.replicate_summary import summarise
from tempo.track.mlflow.run_content import Limits
from tempo.track.mlflow.store_failures import concerns_one_run, explain
from tempo.track.mlflow.study_run import ParentSender

if TYPE_CHECKING:
    from mlflow import MlflowClient


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

    def _child(self, sender: ChildSender, run: PlannedRun, *, over: bool) -> Outcome:
        """One run; what concerns it alone must not keep the others from being sent."""
        from mlflow.exceptions import MlflowException

        try:
            return sender.send(run, over=over)
        except (MlflowException, RecordError) as error:
            if isinstance(error, MlflowException) and not concerns_one_run(error):
                raise
            return Outcome(missing=(f"{run.title}: {explain(error, self.uri)}",))

    def _parents(self, parents: ParentSender, *, changed: bool) -> None:
        known = self.state.invocations()
        closing = [each for each in known if each.ended is not None and each.sent != "end"]
        if not closing and not changed:
            return
        summaries = summarise(self.store, self.plan)
        parents.show_summary(str(known[-1].mlflow_id), summaries)
        for invocation in closing:
            parents.finish(invocation, summaries)
