"""Carry a study out as one rank of a torchrun that the user started."""

from __future__ import annotations

import os
from pathlib import Path

from tempo.core.errors import RunError, StoppedError
from tempo.core.jobs import RESUMABLE
from tempo.core.records import Plan
from tempo.records.layout import Store

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def started_by_torchrun() -> bool:
    """Whether this process is one of several ranks that torchrun started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def leads() -> bool:
    """Whether this process is rank 0, which speaks for its torchrun."""
    return os.environ.get("RANK", "0") == "0"


def carry_out_as_rank(plan: Plan, store: Store, cache: Path, *, reuse_stale: bool = False) -> None:
    """Carry out all runs of a plan, one after the other, together with the other ranks.

    Rank 0 checks the machine, prepares the data and writes the plan while the others wait.

    Raises:
        StoppedError: when a signal stopped a run; its work is kept.
        RunError: when a run did not complete.
    """
    from tempo.spec.study import RunConfig
    from tempo.train.hardware.device import wants_cuda
    from tempo.train.hardware.process_group import join_group
    from tempo.train.run.run_folder import run

    config = RunConfig.model_validate(plan.variants[0].config)
    if leads():
        _prepare(plan, store, cache)
    join_group(cuda=wants_cuda(config.runtime)).share("ready")
    codes = []
    for planned in plan.distinct_runs:
        codes.append(run(store.run_dir(planned.run_id), cache, reuse_stale=reuse_stale))
        if codes[-1] == RESUMABLE:
            raise StoppedError("stopped; the same command continues from the last checkpoint")
    if any(codes):
        raise RunError(f"{sum(map(bool, codes))} of {len(codes)} runs did not complete")


def _prepare(plan: Plan, store: Store, cache: Path) -> None:
    """Check the machine and save the plan and its runs, as the parent of other launchers does."""
    from tempo.workflow.observer import SilentObserver
    from tempo.workflow.plan.machine_check import check

    # The preflight worker is a process of its own and no rank.
    shared = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    try:
        check(plan, [variant.name for variant in plan.variants], cache, SilentObserver())
    finally:
        os.environ.update(shared)
    store.save_plan(plan)
    for _, spec in plan.specs():
        store.save_run(spec)
