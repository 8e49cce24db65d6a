"""A spec with a `search:` section, carried out; `tempo search` shows, promotes and exports."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tempo.cli import options as shared
from tempo.cli.console import make_console
from tempo.core.errors import SpecError, StoppedError, TempoError
from tempo.core.records import RunStatus
from tempo.records.layout import Store
from tempo.records.prices import Prices
from tempo.records.search_record import SearchSummary, load_search, save_search

if TYPE_CHECKING:
    from tempo.cli.searching import Driver
    from tempo.core.records import Plan, PlannedRun
    from tempo.launch.scheduling.pool import Pool
    from tempo.search.confirmation import Candidate
    from tempo.search.growing_plan import GrowingPlan
    from tempo.search.session import Search
    from tempo.spec.load import LoadedStudy
    from tempo.track.mirror_process import MirrorProcess

EPILOG = """examples:
  python run_experiment.py experiments/search_v3.yaml --profile demo   carry a search out
  tempo search show search_v3                                          what it found so far
  tempo search show search_v3 --all --json
  tempo search promote search_v3 7                                     finish a pruned trial
  tempo search export search_v3 -o experiments/found.yaml              the winner as a study
"""

POLL_SECONDS = 0.1

QUEUE_WIDTH = 4
"""Runs side by side on a cluster whose spec does not limit its jobs."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show what a search found, finish pruned trials, write the winner."
    parser.epilog = EPILOG
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="trials, confirmation, importance")
    show.add_argument("--all", action="store_true", help="every trial, not the best ones only")
    show.add_argument("--json", action="store_true", help="print the record")
    show.add_argument("--reports", type=Path, metavar="DIR", help="write the page there as well")
    promote = actions.add_parser("promote", help="have pruned trials finished by the next run")
    export = actions.add_parser("export", help="write a trial as a study file")
    for action, handler in ((show, _show), (promote, _promote), (export, _export)):
        action.add_argument("name", metavar="STUDY")
        action.add_argument("--profile", help="which search of the study (default: the last one)")
        shared.add_records(action)
        action.set_defaults(handler=handler)
    promote.add_argument("trials", nargs="+", metavar="TRIAL", help="names or numbers")
    export.add_argument("--trial", help="a name or number (default: the best)")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")


# --- carrying out ----------------------------------------------------------------------------


def run_search(loaded: LoadedStudy, options: argparse.Namespace) -> int:
    """Carry a search out, or go on with it, to its budget; then confirm, show, mirror.

    Raises:
        SpecError: the search was begun with another space.
    """
    from tempo.cli.measuring import Measuring, make_calibrator
    from tempo.cli.pooling import note, open_pool
    from tempo.cli.search_plan import show_search_plan
    from tempo.cli.torchrun import started_by_torchrun
    from tempo.ledger.open import open_ledger
    from tempo.search.growing_plan import rehearsal
    from tempo.search.session import Search, check_unchanged
    from tempo.search.space import Space

    store, console = Store(options.records), make_console()
    if options.plan:
        return show_search_plan(loaded, store, options)
    if started_by_torchrun() or options.dry_run:
        what = "--dry-run" if options.dry_run else "torchrun"
        raise SpecError(f"a search decides as it goes, so {what} cannot know it; use --ddp N")
    begun = check_unchanged(loaded, store)
    measuring = Measuring(make_calibrator(Prices(store.root), options, {}, options.ddp))
    with measuring as costs, ExitStack() as held:

        def opened() -> Search:
            ledger = open_ledger(None, store.root)
            return held.enter_context(Search(loaded, store, ledger, costs=costs))

        # A new search is not laid down before this machine and every level were checked.
        search = opened() if begun else None
        over = search is not None and _is_over(search, options)
        pool = open_pool(
            rehearsal(Space(loaded)), store, options, console, begin=False, check=not over
        )
        held.enter_context(closing(pool))
        search = search or opened()
        for reason, count in search.skipped.items():
            note(console, f"warm_start: {count} variants left out ({reason})")
        return _Carrying(search, pool, options, console).run()


def _is_over(search: Search, options: argparse.Namespace) -> bool:
    """Whether neither a trial nor its confirmation is left to carry out."""
    from tempo.cli.launching import left_to_do
    from tempo.search.growing_plan import GrowingPlan
    from tempo.search.summary import candidates

    if not search.finished():
        return False
    chosen = candidates(search)
    plan = GrowingPlan(search).now(chosen)
    open_ = {run.run_id for run, _ in left_to_do(plan, search.store, options)}
    return open_.isdisjoint(run.run_id for run in _confirming(plan, chosen))


def _confirming(plan: Plan, chosen: Iterable[Candidate]) -> list[PlannedRun]:
    """The runs beside the trials: the references, and the chosen ones on fresh seeds."""
    runs = [run for run in plan.distinct_runs if run.seed is None]
    return runs + [run for each in chosen for run in each.runs.values()]


class _Carrying:
    """One invocation of a search."""

    def __init__(
        self, search: Search, pool: Pool, options: argparse.Namespace, console: Console
    ) -> None:
        from tempo.cli.pooling import note
        from tempo.search.growing_plan import GrowingPlan

        self._search, self._pool = search, pool
        self._options, self._console = options, console
        self._say: Callable[[str], None] = partial(note, console)
        self._plan: GrowingPlan = GrowingPlan(search)
        self._mirror: MirrorProcess | None = None
        self._candidates: tuple[Candidate, ...] = ()

    def run(self) -> int:
        from tempo.cli.mirroring import begin, mirroring

        store = self._search.store
        plan = self._plan.now()
        store.save_plan(plan)
        with mirroring(store, self._options) as self._mirror:
            begin(self._mirror, plan, self._options)
            self._drive()
            return self._conclude()

    def _grow(self) -> None:
        plan = self._plan.now(self._candidates)
        self._search.store.save_plan(plan)
        if self._mirror is not None:
            self._mirror.grow(plan)

    def _drive(self) -> None:
        """Search, then confirm. Ctrl-C once: checkpoint and leave; twice: now."""
        from tempo.cli.drive import asked_to_stop, heed, stop_pool
        from tempo.cli.launching import watch_of
        from tempo.cli.live import make_view
        from tempo.cli.searching import Driver

        width = self._pool.launcher.slots or self._options.slots or QUEUE_WIDTH
        watch = watch_of(self._plan.now(), self._search.store)
        with make_view(self._console) as view, asked_to_stop() as asked:
            driver: Driver = Driver(self._search, self._pool, width, view.note, self._grow)
            told = 0

            def pause() -> None:
                nonlocal told
                view.update(self._pool)
                heed(watch, self._pool, view)
                if asked.count > told:
                    told = asked.count
                    stop_pool(self._pool, view, told)
                time.sleep(POLL_SECONDS)

            while driver.busy:
                driver.step()
                pause()
            driver.leave()
            if not self._pool.stopping:
                self._confirm(pause)
            view.update(self._pool)

    def _confirm(self, pause: Callable[[], None]) -> None:
        from tempo.cli.searching import carry_out
        from tempo.launch.scheduling.run_view import Work
        from tempo.search.summary import candidates

        self._candidates = candidates(self._search)
        if not self._candidates:
            return
        self._grow()
        plan = self._plan.now(self._candidates)
        runs = _confirming(plan, self._candidates)
        carry_out(self._pool, [Work(run=run, spec=plan.spec_of(run)) for run in runs], pause)

    def _conclude(self) -> int:
        """Write and show what was found; choose the exit code."""
        from tempo.cli.mirroring import write_wandb
        from tempo.cli.pages import write_search_page
        from tempo.cli.render.search_tables import show_summary
        from tempo.cli.study import FAILED
        from tempo.search.summary import summarise

        if self._mirror is not None:
            self._mirror.hurry()
        stopped = self._pool.stopping
        summary = summarise(self._search, over=not stopped)
        path = save_search(self._search.store, summary)
        show_summary(summary, self._console)
        write_wandb(self._search.store, self._plan.now(self._candidates), self._options, self._say)
        failed = any(view.status is RunStatus.FAILED for view in self._pool.views.values())
        if stopped:
            self._say("Stopped; the same command continues:")
            self._say(f"  {shlex.join(sys.argv)}")
            if self._mirror is not None:
                self._mirror.finish(RunStatus.STOPPED)
            return FAILED if failed and self._options.fail_fast else StoppedError.exit_code
        page = write_search_page(self._search.store, summary, self._options.reports)
        self._finish_mirror(summary, page, failed=failed)
        self._say(f"Summary: {path}")
        self._say(f"Report:  {page}")
        return FAILED if failed else 0

    def _finish_mirror(self, summary: SearchSummary, path: Path, *, failed: bool) -> None:
        if self._mirror is None:
            return
        from tempo.cli.mirroring import complete_mirror

        plan = self._plan.now(self._candidates)
        complete_mirror(self._mirror, plan, failed=failed, page=path, say=self._say)


# --- afterwards ------------------------------------------------------------------------------


def _show(options: argparse.Namespace) -> int:
    from tempo.cli.render.search_tables import show_summary

    summary = load_search(Store(options.records), options.name, options.profile)
    if options.json:
        from pydantic import TypeAdapter

        print(TypeAdapter(SearchSummary).dump_json(summary, indent=2).decode())
    else:
        show_summary(summary, make_console(), every=options.all)
    if options.reports:
        from tempo.cli.pages import write_search_page

        page = write_search_page(Store(options.records), summary, options.reports)
        print(f"Report:  {page}", file=sys.stderr if options.json else sys.stdout)
    return 0


def _reopened(summary: SearchSummary) -> LoadedStudy:
    from tempo.spec.load import load_study

    return load_study(Path(summary.source), profile=summary.profile)


def _promote(options: argparse.Namespace) -> int:
    from tempo.records.search_record import search_dir
    from tempo.search.backend.storage import open_storage, promote

    store = Store(options.records)
    summary = load_search(store, options.name, options.profile)
    chosen = [summary.trial(name) for name in options.trials]
    for trial in chosen:
        if trial.state != "pruned" or trial.number is None:
            raise TempoError(f"{trial.variant} is {trial.state}; only pruned trials are promoted")
    search = _reopened(summary).spec.search
    storage = open_storage(search.storage if search else None, search_dir(store, summary.study))
    promote(storage, summary.optuna_study, [n for t in chosen if (n := t.number) is not None])
    profile = f" --profile {summary.profile}" if summary.profile else ""
    names = ", ".join(trial.variant for trial in chosen)
    print(f"{names}: continued by\n  python run_experiment.py {summary.source}{profile}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from tempo.search.study_export import export

    store = Store(options.records)
    summary = load_search(store, options.name, options.profile)
    if options.trial is None and not summary.best:
        raise TempoError(f"search {summary.study!r} has no complete trial yet")
    trial = summary.trial(options.trial or summary.best[0])
    export(summary, trial, _reopened(summary), options.output)
    profile = f" --profile {summary.profile}" if summary.profile else ""
    print(
        f"{trial.variant} is {options.output}\n  python run_experiment.py {options.output}{profile}"
    )
    return 0
