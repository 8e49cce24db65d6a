"""Runs of several processes, whose torchrun the user or Tempo started."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tempo.cli.options import positive
from tempo.core.errors import MissingError, RunError, StoppedError
from tempo.core.jobs import RESUMABLE
from tempo.core.records import Plan
from tempo.core.torchrun_command import RENDEZVOUS, Processes, default_rendezvous
from tempo.records.layout import Store

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def started_by_torchrun() -> bool:
    """Whether this process is one of several that torchrun started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def carry_out_together(plan: Plan, store: Store, cache: Path, *, reuse_stale: bool = False) -> None:
    """Carry out all runs of a plan, one after the other, as one rank of the user's torchrun.

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
    if os.environ["RANK"] == "0":
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
    from tempo.cli.preflight import check

    shared = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    try:
        check(plan, [variant.name for variant in plan.variants], cache, lambda *progress: None)
    finally:
        os.environ.update(shared)
    store.save_plan(plan)
    for _, spec in plan.specs():
        store.save_run(spec)


def leads() -> bool:
    """Whether this process speaks for its torchrun."""
    return os.environ.get("RANK", "0") == "0"


def add_ddp(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ddp",
        type=positive,
        default=1,
        metavar="N",
        help="processes per run: Tempo starts torchrun for each run",
    )


def add_nodes(parser: argparse.ArgumentParser) -> None:
    """For runs on several machines: this command is started on each of them."""
    parser.add_argument(
        "--nodes", type=positive, default=1, metavar="N", help="machines that share the run"
    )
    parser.add_argument(
        "--rendezvous",
        metavar="HOST:PORT",
        default=default_rendezvous(),
        help=f"where several machines meet (default: ${RENDEZVOUS})",
    )


def spread_of(options: argparse.Namespace) -> Processes:
    """How the options spread a run.

    Raises:
        MissingError: when several machines are not told where they meet.
    """
    if options.nodes > 1 and not options.rendezvous:
        raise MissingError(
            f"--nodes {options.nodes} needs --rendezvous HOST:PORT, the same on every machine: the "
            f"first one's address and a free port there (or ${RENDEZVOUS})"
        )
    return Processes(per_node=options.ddp, nodes=options.nodes, rendezvous=options.rendezvous)
