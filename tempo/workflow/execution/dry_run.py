"""Say exactly what would be launched for the runs of a plan that are not complete."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from tempo.core.jobs import JobSpec
from tempo.core.records import Plan, RunSpec
from tempo.core.torchrun_command import Processes, launch_command, launch_environment
from tempo.launch.launchers.slurm.launcher import SlurmLauncher
from tempo.records.event_log import last_attempt
from tempo.workflow.execution.launch_setup import LaunchSetup
from tempo.workflow.run_options import RunOptions

RENDEZVOUS = "HOST:29400"
"""What stands in a printed command for the first machine and a free port there."""


def launch_lines(plan: Plan, options: RunOptions) -> Iterator[str]:
    """The commands, or for a cluster the scripts, that running the plan would execute now."""
    setup = LaunchSetup.of(plan, options, dry_run=True)
    to_do = setup.left_to_do()
    titles = {run.run_id: run.title for run in plan.distinct_runs}
    if not to_do:
        yield "Nothing to launch: every run is complete"
    elif setup.queued:
        yield from _scripts(setup, [spec for _, spec in to_do])
    else:
        for run, spec in to_do:
            yield f"# {titles[run.run_id]}"
            yield _command(setup, spec)
            yield ""


def _scripts(setup: LaunchSetup, specs: Sequence[RunSpec]) -> Iterator[str]:
    """The batch scripts of a cluster, each with its tasks."""
    titles = {run.run_id: run.title for run in setup.plan.distinct_runs}
    manner = setup.needs.manner(setup.plan.study, setup.options.slots)
    launcher = SlurmLauncher(setup.store.root / "slurm", manner)
    for script, some in launcher.scripts([_job(setup, spec) for spec in specs]):
        yield script
        yield "# The file of tasks holds, by index:"
        for index, job in enumerate(some):
            yield f"#   {index}  {titles[job.key]}: {shlex.join(job.argv)}"


def _job(setup: LaunchSetup, spec: RunSpec) -> JobSpec:
    folder = setup.store.run_dir(spec.run_id)
    log = folder / "attempts" / f"{last_attempt(folder) + 1}.log"
    return JobSpec(key=spec.run_id, argv=setup.argv(spec), log=log, resources=setup.resources(spec))


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
