"""Read the state of a study's runs, and ask runs to stop, from any process or host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.launch.study_status import RunState, StudyStatus, study_status
from tempo.ledger.open import open_ledger
from tempo.ledger.port import Hold, is_active
from tempo.records.event_log import Tail, has_readable_result
from tempo.records.layout import Store
from tempo.records.seed_log import opened_plan

if TYPE_CHECKING:
    import pandas as pd


class StopRequest(NamedTuple):
    """Which runs were asked to stop.

    `asked` are being carried out, `holds` says by which process; `waiting` have no result and will
    not begin until the study's command is given again.
    """

    asked: tuple[PlannedRun, ...]
    waiting: tuple[PlannedRun, ...]
    holds: Mapping[str, Hold]


class Status:
    """The state of a study's runs at one moment.

    Attributes:
        data: all that is known, as frozen records.

    >>> import tempo
    >>> status = tempo.load_study("ablations/v2_to_v3.yaml", profile="smoke").status()
    >>> sorted(set(status.table()["state"]))
    ['complete']
    """

    def __init__(self, data: StudyStatus) -> None:
        self.data = data

    @property
    def runs(self) -> tuple[RunState, ...]:
        """The runs in plan order."""
        return self.data.runs

    def table(self) -> pd.DataFrame:
        """One row a run: state, attempt, step of steps, last validation, ETA in seconds, place.

        `lost` counts earlier attempts that lost their leases or died without a word;
        `runs[...].progress.lost` tells each. `why` says of runs that adaptive seeds do not ask for
        what they wait for, or why they are not needed.
        """
        import pandas as pd

        rows = [
            {
                "variant": each.run.variant,
                "seed": each.run.seed,
                "run_id": each.run.run_id,
                "state": each.state,
                "why": each.why,
                "attempt": each.progress.attempt,
                "lost": len(each.progress.lost),
                "step": each.progress.step,
                "steps": each.progress.total,
                self.data.metric: each.value,
                "eta_s": each.eta,
                "where": each.where,
            }
            for each in self.runs
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        counts = Counter(each.state for each in self.runs)
        said = ", ".join(f"{count} {state}" for state, count in counts.items())
        return f"<Status of {self.data.study}: {said}>"

    def _repr_html_(self) -> str:
        return str(self.table().to_html(index=False, na_rep="-"))


def status_of(plan: Plan, store: Store, metric: str = "psnr") -> Status:
    """The state of every run of a plan."""
    with closing(open_ledger(None, store.root)) as ledger:
        return Status(study_status(plan, store, ledger, metric))


def stop_runs(runs: Sequence[PlannedRun], store: Store) -> StopRequest:
    """Ask runs that are not complete to write a checkpoint and leave, damaged ones too."""
    left = [run for run in runs if not has_readable_result(store.run_dir(run.run_id))]
    keys = [run.run_id for run in left]
    with closing(open_ledger(None, store.root)) as ledger:
        ledger.ask_to_stop(keys)
        holds = ledger.holds(keys)
    asked = [run for run in left if is_active(holds.get(run.run_id))]
    waiting = [run for run in left if run not in asked]
    return StopRequest(tuple(asked), tuple(waiting), holds)


def planned_so_far(plan: Plan, store: Store) -> tuple[PlannedRun, ...]:
    """The runs of a plan that can be stopped: those that are opened, or all that may be where the
    looks at adaptive seeds cannot be read."""
    try:
        return (*opened_plan(store, plan).distinct_runs, *plan.evaluations)
    except RecordError:
        return (*plan.distinct_runs, *plan.evaluations)


def active_runs(plans: Sequence[Plan], store: Store) -> list[PlannedRun]:
    """The runs of those plans of which at least one run is being carried out."""
    with closing(open_ledger(None, store.root)) as ledger:
        found: list[PlannedRun] = []
        for plan in plans:
            every = (*plan.distinct_runs, *plan.evaluations)
            holds = ledger.holds([run.run_id for run in every])
            if any(is_active(hold) for hold in holds.values()):
                found += planned_so_far(plan, store)
        return found


def has_failed(store: Store, planned: PlannedRun) -> bool:
    """Whether the last attempt of a run failed."""
    tail = Tail(store.run_dir(planned.run_id))
    tail.catch_up()
    finish = tail.progress.finish
    return finish is not None and finish.status == RunStatus.FAILED
