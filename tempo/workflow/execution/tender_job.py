"""Have Ray's head tend a study, so that nothing has to wait beside it."""

from __future__ import annotations

import sys

from tempo.core.errors import SpecError
from tempo.core.records import Plan
from tempo.launch.launchers.ray.job_client import RayJobs
from tempo.launch.launchers.ray.site import RaySite
from tempo.launch.launchers.ray.tender import begin_tending
from tempo.workflow.execution.launch_setup import LaunchSetup
from tempo.workflow.run_options import RunOptions


def tends_itself(setup: LaunchSetup) -> bool:
    """Return whether what was submitted is to be tended by the cluster, as the site says."""
    site = setup.needs.site
    return isinstance(site, RaySite) and site.tend


def submit_tender(plan: Plan, options: RunOptions) -> str:
    """Have a job on Ray's head tend a plan; return its id, or that of the one that does already.

    Raises:
        SpecError: when the launcher is not `ray`: no other cluster needs it.
    """
    if options.launcher != "ray":
        raise SpecError(
            f"--submit is for --launcher ray: {options.launcher} starts lost jobs again by itself"
        )
    setup = LaunchSetup.of(plan, options)
    site = setup.needs.site
    assert isinstance(site, RaySite)
    policy = setup.ray_policy()
    return begin_tending(
        setup.store.root / "ray",
        policy,
        site,
        RayJobs(policy.address, site.patience),
        tending_command(plan, options),
        [run.run_id for run in (*plan.distinct_runs, *plan.evaluations)],
    )


def tending_command(plan: Plan, options: RunOptions) -> list[str]:
    """Return the command that tends a plan from its records, under the options given."""
    argv = [sys.executable, "-m", "tempo", "tend", plan.study, "--launcher", options.launcher]
    argv += ["--profile", plan.profile] if plan.profile else []
    for name in ("records", "reports", "cache"):
        argv += [f"--{name}", str(getattr(options, name))]
    for name in ("slots", "scratch", "mlflow"):
        value = getattr(options, name)
        argv += [] if value is None else [f"--{name}", str(value)]
    argv += ["--ddp", str(options.ddp)] if options.ddp > 1 else []
    if options.mlflow_checkpoints:
        argv += ["--mlflow-checkpoints", f"{options.mlflow_checkpoints:g}"]
    for name in ("fail_fast", "reuse_stale", "wandb"):
        argv += [f"--{name.replace('_', '-')}"] if getattr(options, name) else []
    return argv
