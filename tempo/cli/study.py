"""A study carried out: its plan, the checks, every run, the comparison and the report."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing

from rich.console import Console

from tempo.cli.compare import report
from tempo.cli.console import make_console
from tempo.cli.drive import drive
from tempo.cli.launching import QUEUED, follow, show_launch, watch_of
from tempo.cli.mirroring import begin, complete_mirror, mirroring, write_wandb
from tempo.cli.planning import records_of
from tempo.cli.pooling import Wanted, open_pool
from tempo.cli.torchrun import carry_out_together, leads, started_by_torchrun
from tempo.core.errors import StoppedError
from tempo.core.records import Plan, RunStatus
from tempo.design.expand import expand
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import RunView
from tempo.records.layout import Store
from tempo.spec.load import LoadedStudy
from tempo.track.mirror_process import MirrorProcess

FAILED = 1
"""Exit code of a study in which a run failed."""


def run_study(
    loaded: LoadedStudy, options: argparse.Namespace, wanted: Wanted | None = None
) -> int:
    """Carry out the `wanted` runs of a study; see `tempo.cli.main.main` for the exit codes."""
    plan = expand(loaded, records_of(loaded.spec, options))
    store = Store(options.records)
    if options.dry_run:
        return show_launch(plan, store, options)
    console = make_console()
    if started_by_torchrun():
        carry_out_together(plan, store, options.cache, reuse_stale=options.reuse_stale)
        if not leads():
            return 0
        with mirroring(store, options) as mirror:
            begin(mirror, plan, options)
            return _conclude(plan, [], store, options, console, mirror)
    queued = options.launcher in QUEUED
    with mirroring(store, options) as mirror:
        for text in plan.notes:
            _note(console)(text)
        pool = open_pool(plan, store, options, console, wanted)
        store.save_plan(plan)
        if queued and not options.wait and _handed_over(pool, plan, options, console):
            return 0
        begin(mirror, plan, options)
        with closing(pool):
            drive(pool, console, detach=queued, watch=watch_of(plan, store))
        return _conclude(plan, list(pool.views.values()), store, options, console, mirror)


def _handed_over(pool: Pool, plan: Plan, options: argparse.Namespace, console: Console) -> bool:
    """Submit what is missing and say how to follow it; False when nothing is left to wait for."""
    pool.step()
    # A second look shows what became of what the first one submitted.
    pool.step()
    if not pool.busy:
        return False
    say = _note(console)
    counts = Counter("queued" if view.queued else str(view.status) for view in pool.views.values())
    said = ", ".join(f"{count} {what}" for what, count in counts.items())
    say(f"{plan.study} is with {options.launcher}: {said} of {len(pool.views)} runs.")
    for line in follow(plan, options):
        say(line)
    return True


def _note(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)


def _conclude(
    plan: Plan,
    views: Sequence[RunView],
    store: Store,
    options: argparse.Namespace,
    console: Console,
    mirror: MirrorProcess | None,
) -> int:
    """Compare and report what there is, print where to find it, and choose the exit code."""
    say = _note(console)
    write_wandb(store, plan, options, say)
    failed = any(view.status is RunStatus.FAILED for view in views)
    begun = {RunStatus.COMPLETE, RunStatus.FAILED}
    left = [view for view in views if view.status not in begun and not view.held_back]
    if left:
        say(f"Stopped with {len(left)} of {len(views)} runs to go; the same command continues:")
        say(f"  {shlex.join(sys.argv)}")
        if mirror is not None:
            mirror.finish(RunStatus.STOPPED)
        return FAILED if failed and options.fail_fast else StoppedError.exit_code
    if mirror is not None:
        mirror.hurry()
    page = report(store, plan, options.reports, console)
    if mirror is not None:
        complete_mirror(mirror, plan, failed=failed, page=page, say=say)
    say(f"Report:  {page}")
    return FAILED if failed else 0
