"""`tempo run`: a whole study, from its spec to its report."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from tempo.cli import options as shared
from tempo.cli.compare import report
from tempo.cli.console import make_console
from tempo.cli.drive import drive
from tempo.cli.launching import QUEUED, add_launching, follow, show_launch, watch_of
from tempo.cli.mirroring import begin, complete_mirror, mirroring, write_wandb
from tempo.cli.plan import add_plan_options
from tempo.cli.plan import execute as show_plan
from tempo.cli.planning import records_of
from tempo.cli.pooling import Wanted, everything, open_pool
from tempo.cli.stores import add_checkpoints, add_store, add_wandb
from tempo.cli.torchrun import carry_out_together, leads, started_by_torchrun
from tempo.cli.worker import default_cache
from tempo.core.errors import StoppedError
from tempo.core.records import Plan, RunStatus
from tempo.design.expand import expand
from tempo.launch.pool import Pool
from tempo.launch.view import RunView
from tempo.records.layout import Store
from tempo.spec.load import LoadedStudy, load_study
from tempo.track.apart import MirrorProcess

EPILOG = """examples:
  python run_experiment.py ablations/se_dilation.yaml --profile demo
  python run_experiment.py ablations/se_dilation.yaml --plan --counts
  python run_experiment.py experiments/tempo_v3.yaml --set recipe.lr=1e-4 --set seeds=3
  python run_experiment.py ablations/v2_to_v3.yaml --launcher slurm --dry-run

Stop with Ctrl-C and run the same command again: it finishes only what is missing.
"""

FAILED = 1
"""Exit code of a study in which a run failed."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Carry out a study: plan, check, train every variant, compare, report."
    parser.epilog = EPILOG
    shared.add_spec(parser)
    shared.add_records(parser)
    parser.add_argument("--plan", action="store_true", help="list variants and runs, do nothing")
    add_plan_options(parser)
    parser.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR")
    parser.add_argument(
        "--slots", type=shared.positive, metavar="N", help="runs side by side (default: devices)"
    )
    add_launching(parser)
    shared.add_profile_steps(parser)
    shared.add_reuse(parser)
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failed run")
    add_store(parser, may_be_off=True)
    add_checkpoints(parser)
    add_wandb(parser)
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace, wanted: Wanted = everything) -> int:
    """Carry out the `wanted` runs of a study; see `tempo.cli.main.main` for the exit codes."""
    loaded = load_study(options.spec, profile=options.profile, overrides=options.overrides)
    if loaded.spec.search is not None:
        from tempo.cli.search import run_search

        return run_search(loaded, options)
    return _run_study(loaded, options, wanted)


def _run_study(loaded: LoadedStudy, options: argparse.Namespace, wanted: Wanted) -> int:
    if options.plan or options.price or options.reprice:
        return show_plan(options)
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
    page = report(store, plan, options.reports, console)
    if mirror is not None:
        complete_mirror(mirror, plan, failed=failed, page=page, say=say)
    say(f"Report:  {page}")
    return FAILED if failed else 0
