"""Which launcher carries a study out, with what, and what it would do."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tempo.cli.drive import content
from tempo.cli.worker import spread_target
from tempo.core.errors import SpecError
from tempo.core.jobs import JobSpec, Launcher
from tempo.core.records import Plan, PlannedRun, RunSpec
from tempo.core.torchrun_command import Processes, launch_command, launch_environment
from tempo.launch.accounting.gpu_hour_budget import (
    BudgetWatch,
    check_budget,
    expected_hours,
    spent_hours,
)
from tempo.launch.accounting.resource_needs import Needs
from tempo.launch.launchers.catalog import LAUNCHERS, Setting
from tempo.launch.launchers.slurm.launcher import SlurmLauncher
from tempo.launch.launchers.slurm.site import load_site
from tempo.launch.launchers.worker_processes import TEMPO
from tempo.ledger.open import VARIABLE
from tempo.records.event_log import last_attempt
from tempo.records.layout import Store
from tempo.records.prices import Prices
from tempo.records.reuse import reuse_status

QUEUED = ("slurm",)
"""Launchers with a queue of their own, whose jobs outlive this command."""

RENDEZVOUS = "HOST:29400"
"""What stands in a printed command for the first machine and a free port there."""

FILES = (
    f"No {VARIABLE}: which run is whose is noted in files below the records. They never expire, so "
    f"a run whose node died waits until its claim is freed by hand. For takeover on several hosts: "
    f"export {VARIABLE}=postgresql://USER@HOST/DATABASE (password: ~/.pgpass)"
)


def needs_of(plan: Plan, options: argparse.Namespace) -> Needs:
    """What the plan's runs need from the chosen launcher.

    Raises:
        SpecError: when a launcher of one machine is asked for several nodes.
    """
    site = load_site() if options.launcher in QUEUED else None
    needs = Needs.of(plan.spec, options.ddp, site)
    nodes = needs.wanted.nodes
    if nodes > 1 and options.launcher not in QUEUED and not options.dry_run:
        raise SpecError(
            f"resources.nodes is {nodes}, and --launcher {options.launcher} has one machine: "
            "choose --launcher slurm, or see by --dry-run what to start on each machine"
        )
    return needs


def make_launcher(
    plan: Plan,
    store: Store,
    options: argparse.Namespace,
    needs: Needs,
    setting: Setting,
) -> Launcher:
    """The launcher of `options`; `setting` holds what this machine offers."""
    if options.launcher in QUEUED and VARIABLE not in os.environ:
        # Jobs inherit the environment; SQLite's locks do not hold across hosts.
        os.environ[VARIABLE] = "files"
        setting.say(FILES)
    full = replace(
        setting,
        stopped=lambda: signal.raise_signal(signal.SIGINT),
        submissions=store.root / "slurm",
        manner=needs.manner(plan.study, options.slots),
        patience=needs.site.patience,
    )
    return LAUNCHERS.get(options.launcher)(full)


def needs_of_run(needs: Needs, config: Mapping[str, Any], options: argparse.Namespace) -> Needs:
    """What one run needs; on this machine all runs get the same slots."""
    return needs.of_method(config) if options.launcher in QUEUED else needs


def worker_argv(plan: Plan, folder: Path, options: argparse.Namespace, needs: Needs) -> list[str]:
    """What every launcher executes for a run with these needs."""
    argv = [*TEMPO, "worker", str(folder), "--cache", str(options.cache)]
    argv += ["--with-parent"] if options.launcher != "inline" else []
    argv += ["--raise"] if options.launcher == "inline" and options.fail_fast else []
    argv += ["--reuse-stale"] if options.reuse_stale else []
    # Where the driver may leave before its jobs end, each job heeds the study's budget itself.
    watched = options.launcher in QUEUED and needs.limits.gpu_hours is not None
    argv += ["--within", plan.study, plan.profile_name] if watched else []
    scratch = options.scratch or needs.site.scratch
    argv += ["--scratch", scratch] if scratch else []
    spread = needs.processes
    if options.launcher in {"inline", "torchrun"} or spread.world == 1:
        return argv
    argv += ["--ddp", str(spread.per_node)]
    return [*argv, "--nodes", str(spread.nodes)] if spread.nodes > 1 else argv


def left_to_do(
    plan: Plan, store: Store, options: argparse.Namespace
) -> list[tuple[PlannedRun, RunSpec]]:
    """The distinct runs whose results are not taken as they are."""
    stale_too = options.reuse_stale
    return [
        (run, spec)
        for run, spec in plan.specs()
        if not reuse_status(store.run_dir(run.run_id)).reusable(stale_too=stale_too)
    ]


def guard_budget(plan: Plan, to_go: Iterable[PlannedRun], store: Store, needs: Needs) -> None:
    """Refuse what the study's GPU-hours do not cover, with what it spent so far.

    Raises:
        TempoError: when they do not.
        MissingError: when a variant that would run has no price.
    """
    limit = needs.limits.gpu_hours
    if limit is None or not needs.on_gpus:
        return
    expected = expected_hours(
        plan, to_go, Prices(store.root), world=needs.gpus, device=needs.site.device
    )
    spent = spent_hours(store.run_dir(run.run_id) for run in plan.distinct_runs)
    check_budget(limit, expected, spent)


def watch_of(plan: Plan, store: Store) -> Callable[[], str | None]:
    """What looks after the GPU-hours of a saved plan's study while it goes on."""
    return BudgetWatch.of_study(store, plan.study, plan.profile_name) or content


def show_launch(plan: Plan, store: Store, options: argparse.Namespace) -> int:
    """Print exactly what would be launched for the runs that are not complete."""
    needs = needs_of(plan, options)
    jobs = _jobs(plan, store, options, needs)
    titles = {run.run_id: run.title for run in plan.distinct_runs}
    if not jobs:
        print("Nothing to launch: every run is complete")
    elif options.launcher == "slurm":
        _show_arrays(plan, store, options, needs, jobs)
    else:
        for job in jobs:
            print(f"# {titles[job.key]}")
            print(_command(job, options, needs), end="\n\n")
    return 0


def _jobs(plan: Plan, store: Store, options: argparse.Namespace, needs: Needs) -> Sequence[JobSpec]:
    """The jobs of what is to do."""
    jobs = []
    for run, spec in left_to_do(plan, store, options):
        folder = store.run_dir(run.run_id)
        own = needs_of_run(needs, spec.config, options)
        argv = worker_argv(plan, folder, options, own)
        log = folder / "attempts" / f"{last_attempt(folder) + 1}.log"
        jobs.append(JobSpec(key=run.run_id, argv=argv, log=log, resources=own.resources()))
    return jobs


def _show_arrays(
    plan: Plan,
    store: Store,
    options: argparse.Namespace,
    needs: Needs,
    jobs: Sequence[JobSpec],
) -> None:
    manner = needs.manner(plan.study, options.slots)
    titles = {run.run_id: run.title for run in plan.distinct_runs}
    for script, some in SlurmLauncher(store.root / "slurm", manner).scripts(jobs):
        print(script)
        print("# The file of tasks holds, by index:")
        for index, job in enumerate(some):
            print(f"#   {index}  {titles[job.key]}: {shlex.join(job.argv)}")


def _command(job: JobSpec, options: argparse.Namespace, needs: Needs) -> str:
    """The command of a run on this machine, as a shell would take it."""
    spread = needs.processes
    if options.launcher != "torchrun" and spread.world == 1:
        return shlex.join(job.argv)
    if spread.nodes > 1:
        spread = Processes(per_node=spread.per_node, nodes=spread.nodes, rendezvous=RENDEZVOUS)
    folder = Path(job.argv[len(TEMPO) + 1])
    environment = launch_environment(spread, needs.runtime.threads)
    words = launch_command(
        spread, spread_target(folder, options.cache, reuse_stale=options.reuse_stale)
    )
    start = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    where = f"# on each of {spread.nodes} machines:\n" if spread.nodes > 1 else ""
    return f"{where}{start} {shlex.join(words)}"


def follow(plan: Plan, options: argparse.Namespace) -> Sequence[str]:
    """How to go on once a cluster has the runs, a line each."""
    return (
        f"  tempo status {options.spec}         what each run is doing",
        "  tempo logs RUN -f               the log of one of them",
        f"  tempo stop {plan.study}           checkpoint and leave",
        "When all runs are complete, the same command compares and reports (--wait stays):",
        f"  {shlex.join(sys.argv)}",
    )
