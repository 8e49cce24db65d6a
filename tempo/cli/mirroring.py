"""The MLflow mirror beside a study: started early, completed last, in nobody's way."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tempo.cli.stores import OFF
from tempo.core.provenance import commit, versions
from tempo.core.records import Plan, RunStatus
from tempo.launch.launchers.worker_processes import TEMPO
from tempo.records.layout import Store
from tempo.track.mirror_process import MirrorProcess
from tempo.track.mlflow.ui import hints
from tempo.track.wandb_store import WandbMirror, require_wandb

VERSIONS = ("tempo-vfi", "torch", "numpy", "mlflow", "pandas")
"""Packages whose versions an invocation notes."""

MIRROR_GRACE = 60.0
"""Seconds the MLflow mirror may take to finish; what is left is for `tempo sync`."""


@contextmanager
def mirroring(store: Store, options: argparse.Namespace) -> Iterator[MirrorProcess | None]:
    """A mirror that makes itself ready from now on, and is gone afterwards; None when it is off.

    Raises:
        MissingError: when the study shall go to W&B as well and its package is not installed.
    """
    if options.wandb:
        require_wandb()
    if options.mlflow == OFF:
        yield None
        return
    mirror = MirrorProcess(
        store, options.mlflow, (*TEMPO, "mirror"), checkpoint_mib=options.mlflow_checkpoints
    )
    mirror.warm()
    try:
        yield mirror
    finally:
        mirror.stop(timeout=MIRROR_GRACE)


def begin(mirror: MirrorProcess | None, plan: Plan, options: argparse.Namespace) -> None:
    """Mirror a plan, which is saved, as a new invocation of its study."""
    if mirror is not None:
        mirror.open(plan, _invocation(options))
        mirror.start()


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


def write_wandb(
    store: Store, plan: Plan, options: argparse.Namespace, say: Callable[[str], None]
) -> None:
    """Write the runs that ended as offline runs of W&B, if that was asked for; none is written
    twice."""
    if not options.wandb:
        return
    mirror = WandbMirror(store)
    mirror.open(plan, None)
    if mirror.sync(over=True):
        say(f"W&B:     wandb sync {mirror.uri}/offline-run-*")
    else:
        say(f"W&B is incomplete ({mirror.problem}); tempo sync {plan.study} --wandb completes it")


def complete_mirror(
    mirror: MirrorProcess, plan: Plan, *, failed: bool, page: Path, say: Callable[[str], None]
) -> None:
    """Close the invocation, with the report beside it, and say where to look."""
    say("Completing the MLflow mirror ...")
    mirror.finish(RunStatus.FAILED if failed else RunStatus.COMPLETE, (page.parent,))
    say(f"MLflow:  mlflow ui --backend-store-uri {mirror.uri}   (or: tempo ui)")
    for line in hints(mirror.uri, mirror.experiment_id):
        say(line)
    if mirror.problem:
        say(f"MLflow is incomplete ({mirror.problem}); tempo sync {plan.study} completes it")
