"""`tempo run`: a whole study, from its spec to its report."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from tempo.cli import options as shared
from tempo.cli.compare import report
from tempo.cli.console import make_console
from tempo.cli.drive import drive
from tempo.cli.launching import QUEUED, add_launching, follow, show_launch
from tempo.cli.plan import add_plan_options, show_plan
from tempo.cli.pooling import Wanted, everything, open_pool
from tempo.cli.torchrun import carry_out_together, leads, started_by_torchrun
from tempo.cli.worker import default_cache
from tempo.core.errors import StoppedError
from tempo.core.provenance import commit, versions
from tempo.core.records import Plan, RunStatus
from tempo.design.expand import expand
from tempo.launch.pool import Pool
from tempo.launch.view import RunView
from tempo.records.layout import Store
from tempo.spec.load import LoadedStudy, load_study
from tempo.track.mlflow_store import MlflowMirror
from tempo.track.views import hints

EPILOG = """examples:
  python run_experiment.py ablations/se_dilation.yaml --profile demo
  python run_experiment.py ablations/se_dilation.yaml --plan --counts
  python run_experiment.py experiments/tempo_v3.yaml --set recipe.lr=1e-4 --set seeds=3
  python run_experiment.py ablations/v2_to_v3.yaml --launcher slurm --dry-run

Stop with Ctrl-C and run the same command again: it finishes only what is missing.
"""

VERSIONS = ("tempo-vfi", "torch", "numpy", "mlflow", "pandas")
"""Packages whose versions an invocation notes."""

FAILED = 1
"""Exit code of a study in which a run failed."""

MIRROR_GRACE = 60.0
"""Seconds the MLflow mirror may take to finish; what is left is for `tempo sync`."""


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
    shared.add_reuse(parser)
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failed run")
    parser.add_argument(
        "--mlflow",
        metavar="URI",
        default=os.environ.get("MLFLOW_TRACKING_URI"),
        help="MLflow store to mirror into, or `off` (default: a sqlite file beside the records)",
    )
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace, wanted: Wanted = everything) -> int:
    """Carry out the `wanted` runs of a study; see `tempo.cli.main.main` for the exit codes."""
    loaded = load_study(options.spec, profile=options.profile, overrides=options.overrides)
    if loaded.spec.search is not None:
        from tempo.cli.search import run_search

        return run_search(loaded, options)
    return _run_study(loaded, options, wanted)


def _run_study(loaded: LoadedStudy, options: argparse.Namespace, wanted: Wanted) -> int:
    plan = expand(loaded)
    store = Store(options.records)
    if options.plan:
        return show_plan(plan, store, options)
    if options.dry_run:
        return show_launch(plan, store, options)
    console = make_console()
    if started_by_torchrun():
        carry_out_together(plan, store, options.cache, reuse_stale=options.reuse_stale)
        if not leads():
            return 0
        mirror = open_mirror(plan, store, options)
        return _conclude(plan, [], store, options, console, mirror)
    pool = open_pool(plan, store, options, console, wanted)
    store.save_plan(plan)
    queued = options.launcher in QUEUED
    if queued and not options.wait and _handed_over(pool, plan, options, console):
        return 0
    mirror = open_mirror(plan, store, options)
    if mirror is not None:
        mirror.start()
    try:
        drive(pool, console, detach=queued)
        return _conclude(plan, list(pool.views.values()), store, options, console, mirror)
    finally:
        if mirror is not None:
            mirror.stop(timeout=MIRROR_GRACE)


def _handed_over(pool: Pool, plan: Plan, options: argparse.Namespace, console: Console) -> bool:
    """Submit what is missing and say how to follow it; False when nothing is left to wait for."""
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


def _invocation(options: argparse.Namespace) -> dict[str, Any]:
    """Who asked for what, when: one line of the study's invocations."""
    return {
        "id": uuid.uuid4().hex[:12],
        "started": time.time(),
        "command": shlex.join(sys.argv),
        "profile": options.profile,
        "overrides": list(options.overrides),
        "versions": versions(VERSIONS),
        **commit(),
    }


def open_mirror(plan: Plan, store: Store, options: argparse.Namespace) -> MlflowMirror | None:
    """The mirror of an invocation that begins now; None when it is off."""
    if options.mlflow == "off":
        return None
    mirror = MlflowMirror(store, options.mlflow)
    mirror.open(plan, _invocation(options))
    return mirror


def _conclude(
    plan: Plan,
    views: Sequence[RunView],
    store: Store,
    options: argparse.Namespace,
    console: Console,
    mirror: MlflowMirror | None,
) -> int:
    """Compare and report what there is, print where to find it, and choose the exit code."""
    say = _note(console)
    if mirror is not None:
        # The report draws in forked processes, which must not inherit a thread's locks.
        mirror.stop(timeout=MIRROR_GRACE)
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


def complete_mirror(
    mirror: MlflowMirror, plan: Plan, *, failed: bool, page: Path, say: Callable[[str], None]
) -> None:
    """Close the invocation, with the report beside it, and say where to look."""
    say("Completing the MLflow mirror ...")
    mirror.finish(RunStatus.FAILED if failed else RunStatus.COMPLETE, (page.parent,))
    say(f"MLflow:  mlflow ui --backend-store-uri {mirror.uri}   (or: tempo ui)")
    for line in hints(mirror.uri, mirror.experiment_id):
        say(line)
    if mirror.problem:
        say(f"MLflow is incomplete ({mirror.problem}); tempo sync {plan.study} completes it")
