"""Look at a study with adaptive seeds whenever its runs have ended, and open the next ones.

Looks are recorded, and decided from records alone: a study that is resumed, carried out by several
invocations or by a cluster adds the same seeds as an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from tempo.core.errors import NoResultError
from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.core.seed_stages import SeedStages
from tempo.design.priorities import priorities
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import RunRequest
from tempo.launch.to_come import seeds_to_come
from tempo.records.event_log import Tail
from tempo.records.layout import Store
from tempo.records.reuse import reuse_status
from tempo.records.seed_log import (
    End,
    SeedLook,
    append_look,
    looking,
    opened_plan,
    read_looks,
)
from tempo.workflow.observer import Observer
from tempo.workflow.run_options import RunOptions

if TYPE_CHECKING:
    from tempo.comparison.comparison import Comparison
    from tempo.comparison.statistics.quantities import Contrast

ALONE = (
    "Seeds are added until contrasts are decided, and this study has none ({why}): every variant "
    "gets {seeds} seeds, and no more."
)
BUDGET = (
    "The budget ended it: {open} undecided, and what is left of budget.gpu_hours does not pay the "
    "next {runs}."
)

Affords = Callable[[Sequence[PlannedRun]], bool]
"""Whether the budget covers these runs, beside what was spent."""


def unlimited(runs: Sequence[PlannedRun]) -> bool:
    """Return that no budget limits these runs."""
    return True


class SeedLooks:
    """The looks that one invocation takes at a study with adaptive seeds.

    `to_come` is what further looks may add, as the last one left it.

    Args:
        say: receives the sentence of each look.
        affords: whether the budget covers further runs.
        stale_too: whether results of other code count.
    """

    def __init__(
        self,
        plan: Plan,
        stages: SeedStages,
        store: Store,
        say: Callable[[str], None],
        *,
        affords: Affords = unlimited,
        stale_too: bool = False,
    ) -> None:
        self._plan, self._stages, self._store = plan, stages, store
        self._say, self._affords, self._stale_too = say, affords, stale_too
        self._known = {run.run_id for run in self.opened.distinct_runs}
        self.to_come = seeds_to_come(plan, read_looks(store, plan))

    @classmethod
    def of(
        cls, plan: Plan, options: RunOptions, observer: Observer, affords: Affords = unlimited
    ) -> SeedLooks | None:
        """The looks at a plan; None where its seeds are not adaptive."""
        if plan.stages is None:
            return None
        return cls(
            plan,
            plan.stages,
            options.store,
            observer.note,
            affords=affords,
            stale_too=options.reuse_stale,
        )

    @property
    def opened(self) -> Plan:
        """The plan with the runs that were opened so far, by whichever invocation."""
        return opened_plan(self._store, self._plan)

    def catch_up(self) -> None:
        """Take the looks that are due by the records before anything is carried out."""
        while self._ended(self.opened) and self.next_runs():
            pass

    def advance(self, pool: Pool) -> bool:
        """Add the runs that are to be carried out next, once all in the pool have ended.

        Returns:
            Whether any was added. None is while a run waits to be continued.
        """
        ends = {RunStatus.COMPLETE, RunStatus.FAILED}
        views = pool.views.values()
        waiting = any(view.status not in ends and not view.held_back for view in views)
        fresh = () if waiting or pool.stopping else self.next_runs()
        cost = {view.run.variant: view.request.cost for view in views}
        priority = priorities(self._plan)
        pool.add(
            RunRequest(
                run=run,
                spec=self._plan.spec_of(run),
                cost=cost.get(run.variant),
                priority=priority[run.variant],
            )
            for run in fresh
        )
        return bool(fresh)

    def next_runs(self) -> tuple[PlannedRun, ...]:
        """Return the runs that were opened since this invocation last asked, by a look if need be.

        None when the study needs no more.
        """
        with looking(self._store, self._plan):
            fresh = self._fresh()
            if not fresh:
                self._look()
                fresh = self._fresh()
        self._known |= {run.run_id for run in fresh}
        self.to_come = seeds_to_come(self._plan, read_looks(self._store, self._plan))
        return fresh

    def _fresh(self) -> tuple[PlannedRun, ...]:
        return tuple(run for run in self.opened.distinct_runs if run.run_id not in self._known)

    def _ended(self, opened: Plan) -> bool:
        """Whether every run has a result or failed."""
        for run in opened.distinct_runs:
            folder = self._store.run_dir(run.run_id)
            if reuse_status(folder).reusable(stale_too=self._stale_too):
                continue
            tail = Tail(folder)
            tail.catch_up()
            finish = tail.progress.finish
            if finish is None or finish.status != RunStatus.FAILED:
                return False
        return True

    def _look(self) -> None:
        look = self._judged() if (why := no_contrasts(self._plan)) is None else self._alone(why)
        self._say(look.sentence)
        last = read_looks(self._store, self._plan)[-1:]
        if not last or replace(look, time=last[0].time) != last[0]:
            append_look(self._store, self._plan, look)

    def _alone(self, why: str) -> SeedLook:
        seeds = self._stages.first
        return SeedLook(
            seeds=seeds, variants={}, ended="alone", sentence=ALONE.format(why=why, seeds=seeds)
        )

    def _judged(self) -> SeedLook:
        """Return a look at the comparison of what there is."""
        from tempo.comparison.seed_allocation import look_sentence, next_seeds

        opened = self.opened
        comparison = self._comparison()
        contrasts = rule_contrasts(comparison, self._plan) if comparison else []
        allocation = next_seeds(
            contrasts,
            _opened_seeds(opened),
            _finished_seeds(comparison),
            self._stages,
        )
        runs = self._unopened(allocation.seeds, opened)
        paid = self._affords(runs)
        ended: End = "" if runs and paid else ("settled" if paid else "budget")
        sentence = look_sentence(allocation.variants, self._stages, len(runs) if paid else 0)
        if not contrasts:
            sentence = "No run has a result, so no seed is added."
        if ended == "budget":
            count = sum(each.state == "open" for each in allocation.variants.values())
            sentence += " " + BUDGET.format(
                open=f"{count} contrast{'s are' if count > 1 else ' is'}",
                runs=f"{len(runs)} run{'s' if len(runs) > 1 else ''}",
            )
        return SeedLook(
            seeds=max((each.seeds for each in allocation.variants.values()), default=0),
            variants=allocation.variants,
            runs=tuple(run.run_id for run in runs) if paid else (),
            ended=ended,
            fingerprint=comparison.fingerprint if comparison else "",
            sentence=sentence,
        )

    def _comparison(self) -> Comparison | None:
        """Return the comparison that the report will show; None before any run has a result.

        That is a look at the verdicts, and recorded as one.
        """
        from tempo.comparison.build import compare
        from tempo.comparison.query import Query
        from tempo.workflow.verdicts import record_look

        try:
            found = compare(self._store, self._plan, Query(detail="table"))
        except NoResultError:
            return None
        return record_look(self._store, self._plan, found, "scheduler")

    def _unopened(self, seeds: Mapping[str, Sequence[int]], opened: Plan) -> list[PlannedRun]:
        """Return the runs of these seeds, each once, that are not opened yet."""
        chosen = {(name, seed) for name, some in seeds.items() for seed in some}
        there = {run.run_id for run in opened.runs}
        found = {
            run.run_id: run
            for run in self._plan.runs
            if (run.variant, run.seed) in chosen and run.run_id not in there
        }
        return list(found.values())


def no_contrasts(plan: Plan) -> str | None:
    """Return why a plan has no contrast to decide; None when it has."""
    if plan.baseline is None:
        return "it names no baseline"
    trained = sum(variant.role != "reference" for variant in plan.variants)
    return "it has one trained variant" if trained < 2 else None


def rule_contrasts(comparison: Comparison, plan: Plan) -> list[Contrast]:
    """Return the contrasts that have to be decided: those of the study's rule."""
    return [each for each in comparison.contrasts if each.kind == "rule"]


def _opened_seeds(plan: Plan) -> dict[str, set[int | None]]:
    found: dict[str, set[int | None]] = {}
    for run in plan.runs:
        found.setdefault(run.variant, set()).add(run.seed)
    return found


def _finished_seeds(comparison: Comparison | None) -> dict[str, set[int | None]]:
    """Return the seeds with a value in the primary metric, by variant."""
    if comparison is None:
        return {}
    rows = ((row.variant, row.estimates.get(comparison.metric)) for row in comparison.rows)
    return {name: set(found.seeds) for name, found in rows if found is not None}
