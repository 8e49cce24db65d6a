"""Tend a study that a cluster carries out: submit again what it lost, and report at the end."""

from __future__ import annotations

from dataclasses import replace

from tempo.core.errors import SpecError
from tempo.core.records import Plan
from tempo.workflow.execution.execution import Outcome, execute
from tempo.workflow.execution.launch_setup import QUEUED
from tempo.workflow.observer import Observer
from tempo.workflow.run_options import RunOptions


def tend(plan: Plan, options: RunOptions, observer: Observer) -> Outcome:
    """Follow the runs of a plan to their end, and report.

    Jobs that are with the cluster are joined; what it lost, gave up or does not have yet is
    submitted. Nothing is checked before, as the command that began the study did that.

    Raises:
        SpecError: when the launcher is none of a cluster.
    """
    _check_cluster(options.launcher)
    return execute(plan, replace(options, wait=True, checked=True), observer)


def _check_cluster(launcher: str) -> None:
    if launcher not in QUEUED:
        raise SpecError(
            f"a study is tended where a cluster has its runs: --launcher {' or '.join(QUEUED)}, "
            f"not {launcher}, whose runs end with the command that began them"
        )
