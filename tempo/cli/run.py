"""`tempo run`: a whole study, from its spec to its report."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from tempo.cli import options as shared
from tempo.cli.compare import report
from tempo.cli.console import make_console
from tempo.cli.live import View, make_view, preparing
from tempo.cli.plan import add_plan_options, show_plan
from tempo.cli.preflight import check
from tempo.cli.torchrun import add_ddp, carry_out_together, leads, started_by_torchrun
from tempo.cli.worker import default_cache
from tempo.core.errors import StoppedError
from tempo.core.provenance import commit, versions
from tempo.core.records import Plan, RunStatus
from tempo.design.expand import expand
from tempo.launch.local import LocalLauncher
from tempo.launch.processes import TEMPO, ForkServer
from tempo.launch.scheduler import Scheduler, is_complete
from tempo.records.layout import Store
from tempo.spec.load import load_study
from tempo.track.mlflow_store import MlflowMirror
from tempo.track.views import hints

EPILOG = """examples:
  python run_experiment.py ablations/se_dilation.yaml --profile demo
  python run_experiment.py ablations/se_dilation.yaml --plan --counts
  python run_experiment.py experiments/tempo_v3.yaml --set recipe.lr=1e-4 --set seeds=3

Stop with Ctrl-C and run the same command again: it finishes only what is missing.
"""

POLL_SECONDS = 0.1
PRELOAD = ("tempo.train.worker", "torch._dynamo")
"""What every worker imports, loaded once."""
VERSIONS = ("tempo-vfi", "torch", "numpy", "mlflow", "pandas")
"""Packages whose versions an invocation notes."""

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
    add_ddp(parser)
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failed run")
    parser.add_argument(
        "--mlflow",
        metavar="URI",
        default=os.environ.get("MLFLOW_TRACKING_URI"),
        help="MLflow store to mirror into, or `off` (default: a sqlite file beside the records)",
    )
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Carry out the study; see `tempo.cli.main.main` for the exit codes."""
    loaded = load_study(options.spec, profile=options.profile, overrides=options.overrides)
    plan = expand(loaded)
    store = Store(options.records)
    if options.plan:
        return show_plan(plan, store, options)
    console = make_console()
    if started_by_torchrun():
        carry_out_together(plan, store, options.cache)
        if not leads():
            return 0
        mirror = _open_mirror(plan, store, options)
        statuses = [RunStatus.COMPLETE for _ in plan.distinct_runs]
        return _conclude(plan, statuses, store, options, console, mirror)
    scheduler = _schedule(plan, store, options, console)
    store.save_plan(plan)
    mirror = _open_mirror(plan, store, options)
    if mirror is not None:
        mirror.start()
    try:
        _carry_out(scheduler, console)
        statuses = [view.status for view in scheduler.runs.values()]
        return _conclude(plan, statuses, store, options, console, mirror)
    finally:
        if mirror is not None:
            mirror.stop(timeout=MIRROR_GRACE)


def _schedule(plan: Plan, store: Store, options: argparse.Namespace, console: Console) -> Scheduler:
    """A scheduler for what is missing, once the machine and every variant were checked."""
    from tempo.cli.main import main

    say = _note(console)
    todo = {run.variant for run in plan.runs if not is_complete(store.run_dir(run.run_id))}
    slots: Sequence[Mapping[str, str]] = [{}]
    server = ForkServer(main, PRELOAD)
    if todo:
        server.warm()
        say(f"{plan.study}: {_size(plan)}. Checking before anything is trained ...")
        with preparing(console) as progress:
            slots = check(plan, sorted(todo), options.cache, progress)
    slots = _limit(slots, options.slots or plan.spec["runtime"]["slots"], options.ddp)
    return Scheduler(
        plan,
        store,
        LocalLauncher(slots, server),
        command=lambda folder: _worker_argv(folder, options),
        fail_fast=options.fail_fast,
    )


def _note(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)


def _size(plan: Plan) -> str:
    seeds = len({run.seed for run in plan.runs} - {None})
    variants = sum(variant.role != "reference" for variant in plan.variants)
    return f"{variants} variants x {seeds} seeds, {len(plan.distinct_runs)} runs with references"


def _limit(
    slots: Sequence[Mapping[str, str]], wanted: int | None, processes: int
) -> Sequence[Mapping[str, str]]:
    """One slot for each run side by side: `processes` devices each, at most `wanted` runs.

    More runs than there are devices, when asked for, share the devices in turn.
    """
    if processes > 1:
        groups = [slots[i : i + processes] for i in range(0, len(slots), processes)]
        slots = [_together(group) for group in groups if len(group) == processes] or [
            _together(slots)
        ]
    return slots if wanted is None else [slots[n % len(slots)] for n in range(wanted)]


def _together(slots: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """The environment of one run on the devices of several slots."""
    return {name: ",".join(slot[name] for slot in slots) for name in slots[0]}


def _worker_argv(folder: Path, options: argparse.Namespace) -> list[str]:
    argv = [*TEMPO, "worker", str(folder), "--cache", str(options.cache), "--with-parent"]
    return [*argv, "--ddp", str(options.ddp)] if options.ddp > 1 else argv


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


def _open_mirror(plan: Plan, store: Store, options: argparse.Namespace) -> MlflowMirror | None:
    if options.mlflow == "off":
        return None
    mirror = MlflowMirror(store, options.mlflow)
    mirror.open(plan, _invocation(options))
    return mirror


def _carry_out(scheduler: Scheduler, console: Console) -> None:
    """Step the scheduler to its end. Ctrl-C or SIGTERM once: checkpoint and leave; twice: now."""
    with make_view(console) as view, _asked_to_stop() as asked:
        told = 0
        while scheduler.step():
            view.update(scheduler)
            if asked.count > told:
                told = asked.count
                _stop(scheduler, view, told)
            time.sleep(POLL_SECONDS)
        view.update(scheduler)


def _stop(scheduler: Scheduler, view: View, times: int) -> None:
    if times == 1:
        view.note("stopping: the running runs write a checkpoint first; Ctrl-C again to leave now")
        scheduler.stop()
    else:
        scheduler.kill()


@dataclass(slots=True)
class _Asked:
    count: int = 0


@contextmanager
def _asked_to_stop() -> Iterator[_Asked]:
    """Counts SIGINT and SIGTERM instead of letting them end the process."""
    asked = _Asked()

    def note(number: int, frame: FrameType | None) -> None:
        asked.count += 1

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _conclude(
    plan: Plan,
    statuses: Sequence[RunStatus],
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
    left = sum(status in {RunStatus.PLANNED, RunStatus.STOPPED} for status in statuses)
    if left:
        say(f"Stopped with {left} of {len(statuses)} runs to go; the same command continues:")
        say(f"  {shlex.join(sys.argv)}")
        if mirror is not None:
            mirror.finish(RunStatus.STOPPED)
        return StoppedError.exit_code
    failed = RunStatus.FAILED in statuses
    page = report(store, plan, options.reports, console)
    if mirror is not None:
        _complete_mirror(mirror, plan, failed=failed, page=page, say=say)
    say(f"Report:  {page}")
    return 1 if failed else 0


def _complete_mirror(
    mirror: MlflowMirror, plan: Plan, *, failed: bool, page: Path, say: Callable[[str], None]
) -> None:
    say("Completing the MLflow mirror ...")
    mirror.finish(RunStatus.FAILED if failed else RunStatus.COMPLETE, (page.parent,))
    say(f"MLflow:  mlflow ui --backend-store-uri {mirror.uri}   (or: tempo ui)")
    for line in hints(mirror.uri, mirror.experiment_id):
        say(line)
    if mirror.problem:
        say(f"MLflow is incomplete ({mirror.problem}); tempo sync {plan.study} completes it")
