"""Mirror a study into MLflow while the study runs: started early, completed last."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tempo.core.provenance import commit, versions
from tempo.core.records import Plan, RunStatus
from tempo.launch.worker_command import WORKER
from tempo.track.mirror_process import MirrorProcess
from tempo.track.mlflow.study_view import charts
from tempo.track.store_address import default_uri
from tempo.track.wandb_store import WandbMirror, require_wandb
from tempo.workflow.run_options import MIRROR_OFF, RunOptions
from tempo.workflow.suggestions import suggested

VERSIONS = ("tempo-vfi", "torch", "numpy", "mlflow", "pandas")
"""Packages whose versions an invocation notes."""

MIRROR_GRACE = 60.0
"""Seconds the MLflow mirror may take to finish; what is left is for `tempo sync`."""


@contextmanager
def mirroring(options: RunOptions) -> Iterator[MirrorProcess | None]:
    """Start a mirror that prepares itself from now on, and end it afterwards; None when off.

    Raises:
        MissingError: when the study shall go to W&B as well and its package is not installed.
    """
    if options.wandb:
        require_wandb()
    if options.mlflow == MIRROR_OFF:
        yield None
        return
    mirror = MirrorProcess(
        options.store,
        options.mlflow,
        (*WORKER, "mirror"),
        checkpoint_mib=options.mlflow_checkpoints,
    )
    mirror.warm()
    try:
        yield mirror
    finally:
        mirror.stop(timeout=MIRROR_GRACE)


def begin_mirror(mirror: MirrorProcess | None, plan: Plan, options: RunOptions) -> None:
    """Mirror a plan, which is saved, as a new invocation of its study."""
    if mirror is not None:
        invocation = {
            "id": uuid.uuid4().hex[:12],
            "started": time.time(),
            "command": options.command,
            "profile": plan.profile,
            "overrides": list(options.overrides),
            "versions": versions(VERSIONS),
            **commit(),
        }
        mirror.open(plan, invocation)
        mirror.start()


def write_wandb(plan: Plan, options: RunOptions, say: Callable[[str], None]) -> None:
    """Write the runs that ended as offline runs of W&B, if asked for; none is written twice."""
    if not options.wandb:
        return
    mirror = WandbMirror(options.store)
    mirror.open(plan, None)
    if mirror.sync(over=True):
        say(f"W&B:     wandb sync {mirror.uri}/offline-run-*")
    else:
        command = suggested("sync", plan.study, "--wandb", records=options.records)
        say(f"W&B is incomplete ({mirror.problem}); {command} completes it")


def complete_mirror(
    mirror: MirrorProcess,
    plan: Plan,
    *,
    failed: bool,
    page: Path,
    records: Path,
    say: Callable[[str], None],
) -> None:
    """Close the invocation, with the report beside it, and say where to look."""
    say("Completing the MLflow mirror ...")
    mirror.finish(RunStatus.FAILED if failed else RunStatus.COMPLETE, (page.parent,))
    say(f"MLflow:  {_opened_by(mirror, plan.study, records)}")
    if mirror.problem:
        command = suggested("sync", plan.study, records=records)
        say(f"MLflow is incomplete ({mirror.problem}); {command} completes it")


def _opened_by(mirror: MirrorProcess, study: str, records: Path) -> str:
    """Return the command that opens a study in MLflow; for a server the address of its view."""
    if mirror.uri.startswith(("http://", "https://")):
        rest = charts(mirror.experiment_id) if mirror.experiment_id else ""
        return f"{mirror.uri.rstrip('/')}/{rest}"
    chosen = () if mirror.uri == default_uri(records) else ("--mlflow", mirror.uri)
    return suggested("ui", study, *chosen, records=records)
