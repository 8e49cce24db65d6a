"""Carry out one run: set up the process, keep to budgets, start torchrun where asked for."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from tempo.core.errors import MissingError
from tempo.core.jobs import NOTHING_BEGUN, RESUMABLE
from tempo.core.records import RunSpec
from tempo.core.startup import loading
from tempo.core.torchrun_command import RENDEZVOUS, Processes, launch_command
from tempo.launch.worker_command import WorkerCommand
from tempo.ledger.folder_use import using
from tempo.records.layout import Store, load_run, root_of
from tempo.records.provenance.module_stamps import note_modules
from tempo.worker.process_setup import die_with_parent, limit_threads


def execute(options: argparse.Namespace) -> int:
    """Carry out the run of `options.run`; returns the exit code."""
    processes = _processes(options)
    if options.dry_run:
        worker = _worker(options, options.cache)
        words = worker.argv()
        if processes.world > 1:
            words = launch_command(processes, worker.rank_target())
        print(shlex.join(words))
        return 0
    spec, objection = load_run(options.run), _budget(options)
    why = _without_progress(options.run)
    if processes.world > 1 and objection:
        # A rank could only tell torchrun that it failed, so ask for the budget before there is one.
        why = why or objection()
    if why:
        print(f"{why}{NOTHING_BEGUN}", file=sys.stderr, flush=True)
        return RESUMABLE
    limit_threads(spec.config["runtime"]["threads"])
    if options.with_parent:
        die_with_parent()
    cache = _staged(options, spec) if options.scratch else options.cache
    if processes.world > 1:
        from tempo.train.hardware.spawn_ranks import run_spread

        return run_spread(options.run, processes, _worker(options, cache).rank_target())
    with loading():
        from tempo.train.run.run_folder import run
    note_modules(root_of(options.run))
    with using(cache):
        return run(
            options.run,
            cache,
            reuse_stale=options.reuse_stale,
            reraise=options.reraise,
            objection=objection,
        )


def _worker(options: argparse.Namespace, cache: Path) -> WorkerCommand:
    return WorkerCommand(
        folder=options.run,
        cache=cache,
        with_parent=True,
        reuse_stale=options.reuse_stale,
        within=options.within,
    )


def _processes(options: argparse.Namespace) -> Processes:
    """How the options spread the run.

    Raises:
        MissingError: when several machines are not told where they meet.
    """
    if options.nodes > 1 and not options.rendezvous:
        raise MissingError(
            f"--nodes {options.nodes} needs --rendezvous HOST:PORT, the same on every machine: the "
            f"first one's address and a free port there (or ${RENDEZVOUS})"
        )
    return Processes(per_node=options.ddp, nodes=options.nodes, rendezvous=options.rendezvous)


def _without_progress(folder: Path) -> str | None:
    """Why a run that a queue began again and again is given up; None while it advances."""
    from tempo.launch.launchers.slurm.script import RESTARTS
    from tempo.launch.scheduling.failure_policy import FRUITLESS, fruitless
    from tempo.records.run_record import read_run

    restarts = int(os.environ.get(RESTARTS, "0"))
    return fruitless(read_run(folder), restarts) if restarts >= FRUITLESS else None


def _budget(options: argparse.Namespace) -> Callable[[], str | None] | None:
    """What says that the study's GPU-hours are spent; None without a budget."""
    if options.within is None:
        return None
    from tempo.launch.accounting.gpu_hour_budget import BudgetWatch

    return BudgetWatch.of_study(Store(root_of(options.run)), *options.within)


def _staged(options: argparse.Namespace, spec: RunSpec) -> Path:
    """The cache to use on this node; prints what was copied, or why nothing was."""
    from tempo.data.cache.staging import stage
    from tempo.spec.sections.test_run import config_of

    config = config_of(spec.config)
    scratch = os.path.expandvars(options.scratch)
    used = {stage(each, options.cache, scratch, print) for each in config.datasets}
    return used.pop() if len(used) == 1 else options.cache
