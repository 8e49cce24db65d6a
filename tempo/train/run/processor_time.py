"""Measure the processor time that an attempt takes, its children's and other ranks' included."""

from __future__ import annotations

import psutil


def processor_seconds(*, of_all_ranks: bool) -> float:
    """Return the user and system seconds of this process and its children so far, ended or not.

    `of_all_ranks`: those of every process that torchrun started on this machine instead.
    """
    own = psutil.Process()
    first = (own.parent() or own) if of_all_ranks else own
    return sum(_seconds(each) for each in (first, *first.children(recursive=True)))


def _seconds(process: psutil.Process) -> float:
    """Return the seconds of a process and of its children that it has waited for."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    waited = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return float(times.user + times.system + waited)
