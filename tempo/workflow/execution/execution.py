"""Carry a study out: check, run, compare, report, and say how the study ended."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from html import escape
from pathlib import Path
from typing import Literal

from tempo.comparison.comparison import Comparison
from tempo.core.errors import RunError, StoppedError
from tempo.core.jobs import RESUMABLE
from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.core.redaction import redacted
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import RunView
from tempo.launch.to_come import NOTHING, ToCome
from tempo.records.layout import Store
from tempo.records.parent_runs import unready_parent
from tempo.records.seed_log import opened_plan
from tempo.track.mirror_process import MirrorProcess
from tempo.workflow.disk.keeping import Keeper
from tempo.workflow.execution.driver import driving
from tempo.workflow.execution.launch_setup import LaunchSetup
from tempo.workflow.execution.notices import Notice, send
from tempo.workflow.execution.pool_setup import Wanted, add_evaluations, open_pool
from tempo.workflow.execution.seed_looks import SeedLooks
from tempo.workflow.execution.study_notices import StudyNotices, noticing
from tempo.workflow.execution.tender_job import submit_tender, tends_itself
from tempo.workflow.execution.test_set_runs import described
from tempo.workflow.mirror import begin_mirror, complete_mirror, mirroring, write_wandb
from tempo.workflow.observer import Observer, SilentObserver
from tempo.workflow.plan.machine_check import check
from tempo.workflow.plan.recorded_data import check_recorded_data, reads_folders
from tempo.workflow.reports import write_study_report
from tempo.workflow.run_options import RunOptions
from tempo.workflow.verdicts import record_rule

FAILED = 1
"""Exit code of a study in which a run failed."""

RANK = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)

Ending = Literal["complete", "failed", "stopped", "submitted", "follower"]
"""How an execution ended. `failed`: every run ended, at least one without a result. `stopped`: runs
are left. `submitted`: a cluster has the runs. `follower`: this process is a rank of the user's
torchrun, and rank 0 speaks for all."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outcome:
    """What running a study led to.

    Attributes:
        failures: the runs that failed, with the message that each left.
        stopped: the runs that were begun and stopped; the same command continues them.
        losses: runs that lost a worker, because it died or lost its lease, with a sentence for
            each time.
        left: runs that have no result and were not tried to the end.
        counts: runs by state.
        tender: the job on a Ray cluster that follows the study from here, if one does.
        comparison: what the results mean; None while runs are left.
        page: the report's page, None while runs are left.
        exit_code: 0 complete or submitted, 1 a run failed, 130 stopped.

    >>> import tempo
    >>> outcome = tempo.load_study("ablations/v2_to_v3.yaml", profile="smoke", mlflow="off").run()
    >>> outcome.ending, outcome.exit_code, outcome.page.name
    ('complete', 0, 'index.html')
    """

    plan: Plan
    ending: Ending
    failures: Mapping[PlannedRun, str] = field(default_factory=dict)
    stopped: tuple[PlannedRun, ...] = ()
    losses: Mapping[PlannedRun, tuple[str, ...]] = field(default_factory=dict)
    left: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    tender: str | None = None
    comparison: Comparison | None = None
    page: Path | None = None
    exit_code: int = 0

    @property
    def complete(self) -> bool:
        """Whether every run has a result."""
        return self.ending == "complete"

    def __str__(self) -> str:
        said = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        lines = [f"{self.plan.study}: {self.ending}" + (f" ({said})" if said else "")]
        lines += [f"  {run.title} failed: {why}" for run, why in self.failures.items()]
        lines += [f"  {run.title} was stopped" for run in self.stopped]
        lines += [
            f"  {run.title} lost its worker: {why}"
            for run, reasons in self.losses.items()
            for why in reasons
        ]
        return "\n".join([*lines, *([f"  report: {self.page}"] if self.page else [])])

    def __repr__(self) -> str:
        return f"<Outcome {self}>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def execute(
    plan: Plan, options: RunOptions, observer: Observer, wanted: Wanted | None = None
) -> Outcome:
    """Carry out the runs of a plan that have no result, all or the `wanted` ones, and report.

    The notifiers of plug-ins are told how it ended, and the user as the user's profile asks.
    """
    with noticing(plan, options, observer.note, speaks=leads()) as notices:
        outcome = _carry_out(plan, options, observer, wanted, notices)
    if leads():
        notice = Notice(
            study=plan.study,
            profile=plan.profile,
            ending=outcome.ending,
            text=redacted(str(outcome)),
            page=outcome.page,
        )
        send(notice, observer.note)
    return outcome


def _carry_out(
    plan: Plan,
    options: RunOptions,
    observer: Observer,
    wanted: Wanted | None,
    notices: StudyNotices,
) -> Outcome:
    store = options.store
    keeper = Keeper(plan, store, options.reports, observer.note)
    if started_by_torchrun():
        carry_out_as_rank(plan, options, observer)
        if not leads():
            return Outcome(plan=plan, ending="follower")
        with mirroring(options) as mirror:
            notices.through(mirror)
            begin_mirror(mirror, plan, options)
            keeper.finish(plan)
            return _conclude(plan, [], options, observer, mirror, notices)
    setup = LaunchSetup.of(plan, options)
    if reads_folders(plan):
        left = {run.run_id for run, _ in setup.left_to_do()}
        check_recorded_data(
            plan,
            [run for run in setup.opened.distinct_runs if run.run_id not in left],
            store,
            options.cache,
            observer.note,
            reuse_stale=options.reuse_stale,
        )
    with mirroring(options) as mirror:
        notices.through(mirror)
        for text in filter(None, (*plan.notes, described(plan))):
            observer.note(text)
        looks = None if wanted else SeedLooks.of(plan, options, observer, affords=setup.affords)
        if looks is not None:
            record_rule(store, plan, observer.note)
            looks.catch_up()
        pool = open_pool(setup, observer, wanted)
        evaluations = partial(add_evaluations, pool, setup, wanted)
        if looks is None:
            evaluations()
        store.save_plan(plan)
        record_rule(store, plan, observer.note)
        work = Work(pool, looks, evaluations, partial(keeper.step, plan))
        if setup.queued and not options.wait and _submitted(work):
            return _handed_over(setup, pool, tends=wanted is None and tends_itself(setup))
        begin_mirror(mirror, plan, options)
        watch = notices.watching(work.heeding(setup.watch()), lambda: pool.views)
        drive = partial(driving, watch=watch, ahead=work.ahead, detach=setup.queued)
        with closing(pool), drive(pool, observer) as driver:
            driver.run(work.step, lambda: work.busy)
        keeper.finish(plan)
        return _conclude(plan, list(pool.views.values()), options, observer, mirror, notices)


class Work:
    """What an invocation carries out: the runs of a pool, those that looks add to it, and once the
    last look was taken the evaluations of them all on further test sets. `keep` is told whether
    runs ended."""

    def __init__(
        self,
        pool: Pool,
        looks: SeedLooks | None,
        evaluations: Callable[[], None],
        keep: Callable[..., None],
    ) -> None:
        self._pool, self._looks, self._evaluations = pool, looks, evaluations
        self._keep = keep
        # Where no run is left to do, the look before the pool was opened was the last one.
        self._over = looks is None or not pool.busy
        if looks is not None and self._over:
            evaluations()

    @property
    def busy(self) -> bool:
        """Whether runs are left, or a look may add some."""
        return self._pool.busy or not (self._over or self._pool.stopping)

    def ahead(self) -> ToCome:
        """What later looks may add to the runs of the pool."""
        return NOTHING if self._looks is None or self._over else self._looks.to_come

    def step(self) -> None:
        """Step the pool, once all its runs have ended with those that a look adds."""
        if self._looks is not None and not (self._over or self._pool.busy):
            self._over = not self._looks.advance(self._pool)
            if self._over and not self._pool.stopping:
                self._evaluations()
        self._keep(ended=bool(self._pool.step()))

    def heeding(self, watch: Callable[[], str | None]) -> Callable[[], str | None]:
        """The watch on the budget while runs are left; between runs, the next look heeds it."""
        return lambda: watch() if self._pool.busy else None


def _submitted(work: Work) -> bool:
    """Submit what is missing; False when nothing is left to wait for."""
    work.step()
    # A second look shows what became of what the first one submitted.
    work.step()
    return work.busy


def _handed_over(setup: LaunchSetup, pool: Pool, *, tends: bool) -> Outcome:
    plan, views = setup.plan, pool.views.values()
    counts = Counter("queued" if view.queued else str(view.status) for view in views)
    return Outcome(
        plan=plan,
        ending="submitted",
        counts=counts,
        left=len(pool.views),
        tender=submit_tender(plan, setup.options) if tends else None,
    )


def _conclude(
    plan: Plan,
    views: Sequence[RunView],
    options: RunOptions,
    observer: Observer,
    mirror: MirrorProcess | None,
    notices: StudyNotices,
) -> Outcome:
    write_wandb(plan, options, observer.note)
    failures = {view.run: _message(view) for view in views if view.status is RunStatus.FAILED}
    begun = {RunStatus.COMPLETE, RunStatus.FAILED}
    left = [view for view in views if view.status not in begun and not view.held_back]
    outcome = partial(
        Outcome,
        plan=plan,
        failures=failures,
        stopped=tuple(view.run for view in left if view.progress.attempt),
        losses={view.run: view.losses for view in views if view.losses},
        counts=Counter(str(view.status) for view in views),
    )
    if left:
        code = FAILED if failures and options.fail_fast else StoppedError.exit_code
        stopped = outcome(ending="stopped", left=len(left), exit_code=code)
        _tell(notices, stopped, views)
        if mirror is not None:
            mirror.finish(RunStatus.STOPPED)
        return stopped
    if mirror is not None:
        mirror.hurry()
    comparison, page = write_study_report(options.store, plan, options.reports, "run")
    ended = outcome(
        ending="failed" if failures else "complete",
        comparison=comparison,
        page=page,
        exit_code=FAILED if failures else 0,
    )
    _tell(notices, ended, views)
    if mirror is not None:
        complete_mirror(
            mirror,
            plan,
            failed=bool(failures),
            page=page,
            records=options.records,
            say=observer.note,
        )
    return ended


def _tell(notices: StudyNotices, outcome: Outcome, views: Sequence[RunView]) -> None:
    notices.over(
        outcome.ending,
        str(outcome),
        {view.key: view for view in views},
        counts=outcome.counts,
        left=outcome.left,
        page=None if outcome.page is None else outcome.page.absolute(),
        failures={run.title: why for run, why in outcome.failures.items()},
    )


def _message(view: RunView) -> str:
    finish = view.progress.finish
    return finish.message if finish is not None else "the worker died"


def started_by_torchrun() -> bool:
    """Whether this process is one of several ranks that torchrun started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def leads() -> bool:
    """Whether this process is rank 0, which speaks for its torchrun."""
    return os.environ.get("RANK", "0") == "0"


def carry_out_as_rank(plan: Plan, options: RunOptions, observer: Observer) -> None:
    """Carry out all runs of a plan, one after the other, together with the other ranks.

    Rank 0 checks the machine, prepares the data and writes the plan while the others wait. With
    adaptive seeds it looks as well, and tells the others which runs follow.

    Raises:
        StoppedError: when a signal stopped a run; its work is kept.
        RunError: when a run did not complete.
    """
    from tempo.spec.study import RunConfig
    from tempo.train.hardware.device import wants_cuda
    from tempo.train.hardware.process_group import join_group, leave_group
    from tempo.train.run.run_folder import run

    store = options.store
    config = RunConfig.model_validate(plan.variants[0].config)
    looks = SeedLooks.of(plan, options, observer) if leads() else None
    runs: tuple[PlannedRun, ...] = ()
    if leads():
        if looks is not None:
            record_rule(store, plan, observer.note)
            looks.catch_up()
        runs = opened_plan(store, plan).distinct_runs
        _prepare(plan, runs, store, options.cache)
    group = join_group(cuda=wants_cuda(config.runtime))
    codes: list[int] = []
    while runs := group.share(runs):
        for planned in runs:
            folder = store.run_dir(planned.run_id)
            if why := group.share(unready_parent(folder.parent, planned.parents)):
                if leads():
                    observer.note(f"held back {planned.title}: {why}")
                codes.append(FAILED)
                continue
            codes.append(run(folder, options.cache, reuse_stale=options.reuse_stale))
            if codes[-1] == RESUMABLE:
                raise StoppedError("stopped; the same command continues from the last checkpoint")
        runs = ()
        if looks is not None:
            runs = looks.next_runs()
            for planned in runs:
                store.save_run(plan.spec_of(planned))
    leave_group()
    if any(codes):
        raise RunError(f"{sum(map(bool, codes))} of {len(codes)} runs did not complete")


def _prepare(plan: Plan, runs: Sequence[PlannedRun], store: Store, cache: Path) -> None:
    """Check the machine and save the plan and its runs, as the parent of other launchers does."""
    # The preflight worker is a process of its own and no rank.
    shared = {name: os.environ.pop(name) for name in RANK if name in os.environ}
    try:
        check(
            plan, [variant.name for variant in plan.variants], cache, store.root, SilentObserver()
        )
    finally:
        os.environ.update(shared)
    store.save_plan(plan)
    record_rule(store, plan, print)
    for planned in runs:
        store.save_run(plan.spec_of(planned))
