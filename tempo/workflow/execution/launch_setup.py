"""Decide once what a launch of a plan needs: resources, launcher, the command of each run."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from tempo.core.catalog import unknown
from tempo.core.errors import SpecError, UnknownNameError
from tempo.core.jobs import JobSpec, Launcher, Resources
from tempo.core.records import Plan, PlannedRun, RunSpec
from tempo.core.torchrun_command import Processes, launch_command, launch_environment
from tempo.launch.accounting.gpu_hour_budget import (
    BudgetWatch,
    check_budget,
    expected_hours,
    spent_hours,
)
from tempo.launch.accounting.gpu_usage import runs_that_fit
from tempo.launch.accounting.resource_needs import Needs, mebibytes
from tempo.launch.launchers.catalog import LAUNCHERS, LauncherContext
from tempo.launch.launchers.cluster.site_profile import ClusterSite
from tempo.launch.launchers.ray.launcher import RayLauncher
from tempo.launch.launchers.ray.request import RayPolicy
from tempo.launch.launchers.ray.site import RaySite, load_ray_site
from tempo.launch.launchers.slurm.launcher import SlurmLauncher
from tempo.launch.launchers.slurm.site import load_site
from tempo.launch.worker_command import WorkerCommand
from tempo.ledger.open import VARIABLE, open_ledger
from tempo.records.event_log import last_attempt
from tempo.records.layout import Store
from tempo.records.prices import Price, Prices
from tempo.records.reuse import reuse_status
from tempo.records.seed_log import opened_plan
from tempo.workflow.execution.test_set_runs import evaluation_requests, evaluations_left
from tempo.workflow.run_options import RunOptions

SITES: Mapping[str, Callable[[], ClusterSite]] = {"slurm": load_site, "ray": load_ray_site}
"""What reads the site profile of each cluster's launcher."""

QUEUED = tuple(SITES)
"""Launchers with a queue of their own, whose jobs outlive the process that submitted them."""

RENDEZVOUS = "HOST:29400"
"""What stands in a printed command for the first machine and a free port there."""

FILES = (
    f"No {VARIABLE}: which worker holds which run is noted in files below the records. They never "
    "expire, so a run whose node died waits until its claim is freed by hand. For takeover on "
    f"several hosts: export {VARIABLE}=postgresql://USER@HOST/DATABASE (password: ~/.pgpass)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSetup:
    """What the runs of a plan are launched with.

    Attributes:
        needs: the resources of the study's runs, from its spec and the site's defaults.
    """

    plan: Plan
    options: RunOptions
    needs: Needs

    @classmethod
    def of(cls, plan: Plan, options: RunOptions, *, dry_run: bool = False) -> LaunchSetup:
        """The setup of a plan under `options`.

        Raises:
            UnknownNameError: when no launcher is called so; names the known ones.
            SpecError: when a launcher of one machine is asked for several nodes.
        """
        if options.launcher not in LAUNCHERS:
            raise UnknownNameError(unknown("launcher", options.launcher, LAUNCHERS))
        site = SITES[options.launcher]() if options.launcher in QUEUED else None
        needs = Needs.of(plan.spec, options.ddp, site)
        nodes = needs.wanted.nodes
        if nodes > 1 and options.launcher == "ray":
            raise SpecError(
                f"resources.nodes is {nodes}, and a Ray job reserves one node: train on the GPUs "
                "of one (resources.gpus_per_run), or choose --launcher slurm"
            )
        if nodes > 1 and options.launcher not in QUEUED and not dry_run:
            raise SpecError(
                f"resources.nodes is {nodes}, and --launcher {options.launcher} has one machine: "
                "choose --launcher slurm, or see by --dry-run what to start on each machine"
            )
        return cls(plan=plan, options=options, needs=needs)

    @property
    def store(self) -> Store:
        return self.options.store

    @property
    def queued(self) -> bool:
        """Whether the launcher has a queue of its own."""
        return self.options.launcher in QUEUED

    def needs_of(self, config: Mapping[str, Any]) -> Needs:
        """What one run needs; on this machine all runs get the same slots."""
        return self.needs.of_method(config) if self.queued else self.needs

    def resources(self, spec: RunSpec) -> Resources:
        """What the job of one run asks its launcher for."""
        return self.needs_of(spec.config).resources()

    def worker(self, spec: RunSpec) -> WorkerCommand:
        """The worker of one run."""
        options, needs = self.options, self.needs_of(spec.config)
        # Where the parent may leave before its jobs end, each job keeps to the budget itself.
        watched = self.queued and needs.limits.gpu_hours is not None
        here = options.launcher in {"inline", "torchrun"}
        return WorkerCommand(
            folder=self.store.run_dir(spec.run_id),
            cache=options.cache,
            processes=Processes(per_node=1) if here else needs.processes,
            with_parent=options.launcher != "inline",
            reraise=options.launcher == "inline" and options.fail_fast,
            reuse_stale=options.reuse_stale,
            within=(self.plan.study, self.plan.profile_name) if watched else None,
            scratch=options.scratch or needs.site.scratch,
        )

    def argv(self, spec: RunSpec) -> list[str]:
        """The command of one run, which every launcher executes."""
        return self.worker(spec).argv()

    def launcher(self, context: LauncherContext) -> Launcher:
        """The launcher that the options name; `context` holds what this machine offers."""
        if self.queued and VARIABLE not in os.environ:
            # Jobs inherit the environment; SQLite's locks do not hold across hosts.
            os.environ[VARIABLE] = "files"
            context.say(FILES)
        full = replace(
            context,
            stopped=lambda: signal.raise_signal(signal.SIGINT),
            submissions=self.store.root,
            slurm=self.needs.slurm_policy(self.plan.study, self.options.slots),
            ray=self.ray_policy() if self.options.launcher == "ray" else context.ray,
            ask=self._ask_to_stop,
            patience=self.needs.site.patience,
        )
        if self.options.launcher == "ray" and (unheeded := self.needs.unheeded_by_ray()):
            context.say(unheeded)
        return LAUNCHERS.get(self.options.launcher)(full)

    def ray_policy(self) -> RayPolicy:
        """How the study uses a Ray cluster."""
        needs, options = self.needs, self.options
        return needs.ray_policy(
            self.plan.study,
            address=options.ray_address,
            runs_per_gpu=self._runs_per_gpu(),
        )

    @property
    def most_jobs(self) -> int | None:
        """The most jobs that the pool has in flight. Slurm keeps to such a bound by itself; Ray
        does not, and its queue knows no order but that of submission."""
        if self.options.launcher == "ray":
            return self.needs.throttle(self.options.slots)
        return None if self.queued else self.needs.limits.jobs

    def _runs_per_gpu(self) -> int:
        """How many jobs share a GPU: with `auto` by the prices and the site's `gpu_memory`."""
        site, asked = self.needs.site, self.needs.wanted.runs_per_gpu
        memory = site.gpu_memory if isinstance(site, RaySite) else None
        trained = [each.config for each in self.plan.variants if each.config["method"] == "network"]
        prices = [
            min(Prices(self.store.root).known(config, 1), key=_peak, default=None)
            for config in (trained if asked == "auto" else ())
        ]
        size = mebibytes(memory) * 2.0**20 if memory else None
        return runs_that_fit(asked, prices, size)

    def _ask_to_stop(self, keys: Sequence[str]) -> None:
        """Ask workers through the ledger to checkpoint and leave."""
        with closing(open_ledger(None, self.store.root)) as ledger:
            ledger.ask_to_stop(keys)

    @property
    def opened(self) -> Plan:
        """The plan with the runs that are to be carried out; adaptive seeds open more by looks."""
        return opened_plan(self.store, self.plan)

    def left_to_do(self) -> list[tuple[PlannedRun, RunSpec]]:
        """The distinct runs whose results are not taken as they are."""
        stale_too = self.options.reuse_stale
        return [
            (run, spec)
            for run, spec in self.opened.specs()
            if not reuse_status(
                self.store.run_dir(run.run_id), plugins=spec.config.get("plugins") or ()
            ).reusable(stale_too=stale_too)
        ]

    def evaluations_left(self) -> set[str]:
        """The ids of the evaluations on further test sets that have no result yet."""
        return evaluations_left(self.plan, self.store, reuse_stale=self.options.reuse_stale)

    def guard_budget(self, to_go: Iterable[PlannedRun]) -> None:
        """Refuse what the study's GPU-hours do not cover, with what the study spent so far.

        With adaptive seeds `to_go` is what was opened; each look heeds the budget again, so that
        every variant needs a price.

        Raises:
            TempoError: when they do not.
            MissingError: when a variant that would run has no price.
        """
        if self._gpu_hours is None:
            return
        if self.plan.stages is not None:
            self._expected(self.plan.distinct_runs)
        check_budget(self._gpu_hours, self._expected(to_go), self._spent())

    def affords(self, runs: Sequence[PlannedRun]) -> bool:
        """Whether the study's GPU-hours cover these runs, beside what the study spent so far."""
        limit = self._gpu_hours
        return limit is None or not runs or self._expected(runs) + self._spent() <= limit

    @property
    def _gpu_hours(self) -> float | None:
        """The limit that holds: on a CPU there is none."""
        return self.needs.limits.gpu_hours if self.needs.on_gpus else None

    def _expected(self, runs: Iterable[PlannedRun]) -> float:
        needs, prices = self.needs, Prices(self.store.root)
        return expected_hours(self.plan, runs, prices, world=needs.gpus, device=needs.site.device)

    def _spent(self) -> float:
        return spent_hours(self.store.run_dir(run.run_id) for run in self.opened.distinct_runs)

    def watch(self) -> Callable[[], str | None]:
        """What says that the GPU-hours of the study, whose plan is saved, are spent."""
        watch = BudgetWatch.of_study(self.store, self.plan.study, self.plan.profile_name)
        return watch or (lambda: None)


def launch_lines(plan: Plan, options: RunOptions) -> Iterator[str]:
    """The commands, or for a cluster the scripts, that running the plan would execute now."""
    setup = LaunchSetup.of(plan, options, dry_run=True)
    left = setup.evaluations_left()
    requests = evaluation_requests(plan, {run.run_id for run in setup.opened.distinct_runs})
    to_do = setup.left_to_do()
    to_do += [(each.run, each.spec) for each in requests if each.run.run_id in left]
    titles = {run.run_id: run.title for run in (*plan.distinct_runs, *plan.evaluations)}
    if not to_do:
        yield "Nothing to launch: every run is complete"
    elif setup.options.launcher == "ray":
        yield from _ray_requests(setup, [spec for _, spec in to_do])
    elif setup.queued:
        yield from _scripts(setup, [spec for _, spec in to_do])
    else:
        for run, spec in to_do:
            yield f"# {titles[run.run_id]}"
            yield _command(setup, spec)
            yield ""


def _scripts(setup: LaunchSetup, specs: Sequence[RunSpec]) -> Iterator[str]:
    plan = setup.plan
    titles = {run.run_id: run.title for run in (*plan.distinct_runs, *plan.evaluations)}
    policy = setup.needs.slurm_policy(setup.plan.study, setup.options.slots)
    launcher = SlurmLauncher(setup.store.root / "slurm", policy)
    for script, some in launcher.scripts([_job(setup, spec) for spec in specs]):
        yield script
        yield "# The file of tasks holds, by index:"
        for index, job in enumerate(some):
            yield f"#   {index}  {titles[job.key]}: {shlex.join(job.argv)}"


def _ray_requests(setup: LaunchSetup, specs: Sequence[RunSpec]) -> Iterator[str]:
    plan = setup.plan
    titles = {run.run_id: run.title for run in (*plan.distinct_runs, *plan.evaluations)}
    policy = setup.ray_policy()
    launcher = RayLauncher(setup.store.root / "ray", policy)
    yield f"# POST {policy.address or 'http://HEAD:8265 (found on this machine)'}/api/jobs/"
    jobs = [_job(setup, spec) for spec in specs]
    for job, request in zip(jobs, launcher.requests(jobs), strict=True):
        after = [titles[key] for key in job.after if key in titles]
        yield f"# {titles[job.key]}" + (f", once {', '.join(after)} ended" if after else "")
        yield json.dumps(request, indent=2)


def _peak(price: Price) -> float:
    """Return a sort key that puts the price with the largest known peak memory first."""
    return -(price.peak_memory or 0)


def _job(setup: LaunchSetup, spec: RunSpec) -> JobSpec:
    folder = setup.store.run_dir(spec.run_id)
    log = folder / "attempts" / f"{last_attempt(folder) + 1}.log"
    return JobSpec(
        key=spec.run_id,
        argv=setup.argv(spec),
        log=log,
        resources=setup.resources(spec),
        after=tuple(each.run_id for each in spec.parents if each.run_id),
    )


def _command(setup: LaunchSetup, spec: RunSpec) -> str:
    """The command of a run on this machine, in the form that a shell takes."""
    spread = setup.needs.processes
    worker = setup.worker(spec)
    if setup.options.launcher != "torchrun" and spread.world == 1:
        return shlex.join(worker.argv())
    if spread.nodes > 1:
        spread = Processes(per_node=spread.per_node, nodes=spread.nodes, rendezvous=RENDEZVOUS)
    environment = launch_environment(spread, setup.needs.runtime.threads)
    words = launch_command(spread, worker.rank_target())
    start = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    where = f"# on each of {spread.nodes} machines:\n" if spread.nodes > 1 else ""
    return f"{where}{start} {shlex.join(words)}"
