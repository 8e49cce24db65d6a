"""Carry a search out to its budget: propose and train trials, confirm the best, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tempo.core.counted import counted
from tempo.core.errors import SpecError, StoppedError
from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.launch.launchers.worker_processes import make_start
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import RunRequest, RunView
from tempo.launch.to_come import NOTHING, ToCome, to_come
from tempo.launch.worker_command import call_worker
from tempo.ledger.folder_use import using
from tempo.ledger.open import open_ledger
from tempo.records.prices import Prices
from tempo.records.search_record import SearchSummary, save_search
from tempo.spec.load import LoadedStudy
from tempo.track.mirror_process import MirrorProcess
from tempo.tuning.confirmation import Candidate
from tempo.tuning.plans import GrowingPlan, rehearsal
from tempo.tuning.session import Search, check_unchanged
from tempo.tuning.space import Space
from tempo.tuning.summary import candidates, summarise
from tempo.tuning.trials import Trial
from tempo.workflow.confirmation import with_gains
from tempo.workflow.disk.keeping import Keeper
from tempo.workflow.execution.driver import Driver, driving
from tempo.workflow.execution.execution import FAILED, Ending, started_by_torchrun
from tempo.workflow.execution.launch_setup import LaunchSetup
from tempo.workflow.execution.notices import Notice, send
from tempo.workflow.execution.pool_setup import open_empty_pool
from tempo.workflow.execution.study_notices import StudyNotices, noticing
from tempo.workflow.mirror import begin_mirror, complete_mirror, mirroring, write_wandb
from tempo.workflow.observer import Observer
from tempo.workflow.plan.pricing import PRELOAD, Calibrator, NetworkCosts
from tempo.workflow.reports import write_search_page
from tempo.workflow.run_options import RunOptions

ASK_PAUSE = 1.0
"""Seconds before asking again while other drivers hold all trials that are left."""

Say = Callable[[str], None]

QUEUE_WIDTH = 4
"""Runs side by side on a cluster whose spec does not limit its jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOutcome:
    """What an invocation of a search led to.

    Attributes:
        summary: trials, confirmation and importance.
        path: the record of the summary.
        page: the page of the search; None while the search is unfinished.
        exit_code: 0 complete, 1 a run failed, 130 stopped.
    """

    ending: Ending
    summary: SearchSummary
    path: Path
    page: Path | None
    exit_code: int


def execute_search(loaded: LoadedStudy, options: RunOptions, observer: Observer) -> SearchOutcome:
    """Carry a search out, or continue it, to its budget; then confirm, report, mirror, notify.

    Raises:
        SpecError: the search was begun with another space.
    """
    if started_by_torchrun():
        raise SpecError("a search decides as it goes, so torchrun cannot know it; use --ddp N")
    store = options.store
    begun = check_unchanged(loaded, store)
    calibrator = Calibrator(
        Prices(store.root), options.cache, {}, options.ddp, make_start(call_worker, PRELOAD)
    )
    with NetworkCosts(calibrator) as costs, ExitStack() as held:
        held.enter_context(using(store.root, options.cache))

        def opened() -> Search:
            ledger = open_ledger(None, store.root)
            return held.enter_context(Search(loaded, store, ledger, costs=costs))

        # A new search is not laid down before this machine and every level were checked.
        search = opened() if begun else None
        over = search is not None and _is_over(search, options)
        setup = LaunchSetup.of(rehearsal(Space(loaded)), options)
        keeper = Keeper(setup.plan, store, options.reports, observer.note)
        pool = open_empty_pool(setup, observer, check=not over)
        held.enter_context(closing(pool))
        search = search or opened()
        for reason, count in search.skipped.items():
            observer.note(f"warm_start: {counted(count, 'variant')} left out ({reason})")
        outcome = _Execution(search, pool, options, observer, keeper).run()
    trials = counted(len(outcome.summary.trials), "trial")
    notice = Notice(
        study=outcome.summary.study,
        profile=outcome.summary.profile,
        ending=outcome.ending,
        text=f"{outcome.summary.study}: {outcome.ending} ({trials})",
        page=outcome.page,
    )
    send(notice, observer.note)
    return outcome


def _is_over(search: Search, options: RunOptions) -> bool:
    """Whether neither a trial nor its confirmation is left to carry out."""
    if not search.finished():
        return False
    chosen = candidates(search)
    plan = GrowingPlan(search).now(chosen)
    left = LaunchSetup.of(plan, options).left_to_do()
    return {run.run_id for run, _ in left}.isdisjoint(
        run.run_id for run in _confirming(plan, chosen)
    )


def _confirming(plan: Plan, chosen: Iterable[Candidate]) -> list[PlannedRun]:
    """The runs beside the trials: the references, and the chosen trials on fresh seeds."""
    runs = [run for run in plan.distinct_runs if run.seed is None]
    return runs + [run for each in chosen for run in each.runs.values()]


class _Execution:
    """One invocation of a search."""

    def __init__(
        self,
        search: Search,
        pool: Pool,
        options: RunOptions,
        observer: Observer,
        keeper: Keeper,
    ) -> None:
        self._search, self._pool = search, pool
        self._options, self._observer = options, observer
        self._plan = GrowingPlan(search)
        self._mirror: MirrorProcess | None = None
        self._notices: StudyNotices
        self._candidates: tuple[Candidate, ...] = ()
        self._to_come = NOTHING
        self._keeper = keeper

    def run(self) -> SearchOutcome:
        plan = self._plan.now()
        self._to_come = to_come(plan, ())
        self._search.store.save_plan(plan)
        with (
            noticing(plan, self._options, self._observer.note) as self._notices,
            mirroring(self._options) as self._mirror,
        ):
            self._notices.through(self._mirror)
            begin_mirror(self._mirror, plan, self._options)
            watch = LaunchSetup.of(plan, self._options).watch()
            watch = self._notices.watching(watch, lambda: self._pool.views)
            ahead = self._ahead
            with driving(self._pool, self._observer, watch=watch, ahead=ahead) as driver:
                self._search_on(driver)
                if not self._pool.stopping:
                    self._confirm(driver)
            return self._conclude()

    def _ahead(self) -> ToCome:
        """What may follow the runs that are known: further trials, and the confirmation."""
        return self._to_come

    def _grow(self) -> None:
        plan = self._plan.now(self._candidates)
        self._to_come = to_come(plan, ())
        self._search.store.save_plan(plan)
        self._keeper.step(plan, ended=True)
        if self._mirror is not None:
            self._mirror.grow(plan)

    def _search_on(self, driver: Driver) -> None:
        """Carry out trials until the budget is spent or the search is stopped."""
        width = self._pool.launcher.slots or self._options.slots or QUEUE_WIDTH
        trials = SearchDriver(self._search, self._pool, width, self._observer.note, self._grow)
        driver.run(trials.step, lambda: trials.busy)
        trials.leave()

    def _confirm(self, driver: Driver) -> None:
        """Carry out the best trials again, on seeds that the search never saw."""
        self._candidates = candidates(self._search)
        if not self._candidates:
            return
        self._grow()
        plan, pool = self._plan.now(self._candidates), self._pool
        runs = _confirming(plan, self._candidates)
        pool.add([RunRequest(run=run, spec=plan.spec_of(run)) for run in runs])
        keys = [run.run_id for run in runs]
        driver.run(pool.step, lambda: pool.busy and not all(pool.views[key].ended for key in keys))

    def _conclude(self) -> SearchOutcome:
        store, mirror, say = self._search.store, self._mirror, self._observer.note
        if mirror is not None:
            mirror.hurry()
        stopped = self._pool.stopping
        chosen = self._plan.now(self._candidates or candidates(self._search))
        summary = with_gains(store, chosen, summarise(self._search, over=not stopped))
        path = save_search(store, summary)
        outcome = partial(SearchOutcome, summary=summary, path=path)
        plan = self._plan.now(self._candidates)
        self._keeper.finish(plan)
        write_wandb(plan, self._options, say)
        failed = any(view.status is RunStatus.FAILED for view in self._pool.views.values())
        if stopped:
            self._tell(summary, "stopped", None)
            if mirror is not None:
                mirror.finish(RunStatus.STOPPED)
            code = FAILED if failed and self._options.fail_fast else StoppedError.exit_code
            return outcome(ending="stopped", page=None, exit_code=code)
        page = write_search_page(store, summary, self._options.reports)
        self._tell(summary, "failed" if failed else "complete", page)
        if mirror is not None:
            complete_mirror(
                mirror,
                plan,
                failed=failed,
                page=page,
                records=self._options.records,
                say=say,
            )
        ending: Ending = "failed" if failed else "complete"
        return outcome(ending=ending, page=page, exit_code=FAILED if failed else 0)

    def _tell(self, summary: SearchSummary, ending: Ending, page: Path | None) -> None:
        trials = counted(len(summary.trials), "trial")
        text = f"{summary.study}: {ending} ({trials})"
        views = self._pool.views
        self._notices.over(ending, text, views, trials=len(summary.trials), page=page)


class SearchDriver:
    """Feeds a pool with the runs of a search. Every free slot gets the next trial at once.

    Args:
        width: most runs side by side.
        grown: called whenever there is a new trial.
    """

    def __init__(
        self, search: Search, pool: Pool, width: int, say: Say, grown: Callable[[], None]
    ) -> None:
        self._search, self._pool, self._width = search, pool, width
        self._say, self._grown = say, grown
        self._active: list[Trial] = []
        self._wanted: dict[str, list[tuple[Trial, int]]] = {}
        self._stopped: set[str] = set()
        self._next = 0.0
        self._over = False

    @property
    def busy(self) -> bool:
        """Whether trials are left for this driver."""
        if self._pool.stopping:
            return self._pool.busy
        return not self._over

    def step(self) -> None:
        """Look at what happened, and begin what there is room for."""
        for view in self._pool.step():
            self._ended(view)
        for trial in list(self._active):
            if self._search.observe(trial):
                self._say(f"pruned    {trial.name} at step {max(trial.steps)}")
                self._close(trial, pruned=True)
        if not self._pool.stopping:
            self._fill()

    def leave(self) -> None:
        """Give the unfinished trials back, for the driver that continues the search."""
        for trial in self._active:
            self._search.abandon(trial)
        self._active.clear()

    def _fill(self) -> None:
        asked = False
        while self._running() < self._width and time.monotonic() >= self._next:
            trial = self._search.ask(self._active)
            asked = True
            if trial is None:
                self._next = time.monotonic() + ASK_PAUSE
                break
            self._active.append(trial)
            self._grown()
            self._add(trial, self._search.begin(trial))
        if asked and not self._active:
            self._over = self._search.finished()

    def _running(self) -> int:
        return sum(not view.ended for view in self._pool.views.values())

    def _add(self, trial: Trial, seeds: Iterable[int]) -> None:
        works = []
        for seed in seeds:
            run = trial.runs[seed]
            self._wanted.setdefault(run.run_id, []).append((trial, seed))
            works.append(RunRequest(run=run, spec=trial.spec(seed)))
        self._search.mark([each.run.run_id for each in works], pruned=False)
        self._pool.add(works)

    def _ended(self, view: RunView) -> None:
        for trial, seed in self._wanted.pop(view.key, ()):
            if trial.over:
                continue
            if view.status is RunStatus.COMPLETE:
                self._add(trial, self._search.completed(trial, seed))
            elif view.status is RunStatus.FAILED:
                finish = view.progress.finish
                self._search.failed(trial, seed, finish.message if finish else "it died")
            elif view.held_back:
                self._search.failed(trial, seed, view.held_back)
            elif view.key in self._stopped:
                # Pruned as one trial, and asked for again by another that is the same point.
                self._add(trial, [seed])
            elif not self._pool.stopping:
                self._search.failed(trial, seed, "stopped on request")
            if trial.over:
                self._close(trial)
        self._stopped.discard(view.key)

    def _close(self, trial: Trial, *, pruned: bool = False) -> None:
        """End a trial: stop its runs that no other trial waits for."""
        self._active.remove(trial)
        stopped: list[str] = []
        for run in trial.runs.values():
            view = self._pool.views.get(run.run_id)
            others = [one for one, _ in self._wanted.get(run.run_id, ()) if not one.over]
            if view is not None and not view.ended and not others:
                stopped.append(view.key)
                view.pruned = pruned
        if pruned:
            # Noted before the runs know: none of them is ever seen as stopped by the user.
            self._search.mark(stopped, pruned=True)
        self._stopped |= set(stopped)
        self._pool.stop(stopped)
