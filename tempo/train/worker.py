"""Carrying out the run in a folder: one worker at a time, and an exit code that says how it went.

0 complete, 1 failed, 85 stopped and resumable, 75 locked by another worker.
"""

from __future__ import annotations

import sys
import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tempo.core.errors import StoppedError
from tempo.core.jobs import BUSY, RESUMABLE
from tempo.core.records import RunSpec, RunStatus
from tempo.records.events import Finished, Noted
from tempo.records.layout import load_run
from tempo.records.run import read_run
from tempo.spec.study import RunConfig
from tempo.train.attempt import Task, carry_out
from tempo.train.device import peak_memory, wants_cuda
from tempo.train.failures import failure_of
from tempo.train.group import Group, join_group
from tempo.train.guard import RollBack
from tempo.train.journal import Journal
from tempo.train.stop import StopRequest, listening

COMPLETE, FAILED = 0, 1
PATIENCE = 5.0
"""Seconds to wait for another worker of the same run to leave."""


def run(folder: Path, cache: Path) -> int:
    """Carry out the run in `folder`, or what is left of it; `cache` holds decoded pictures.

    Under torchrun every process calls this, and together they are one worker.

    Returns:
        `COMPLETE` (also when the run was complete before), `FAILED`, `RESUMABLE` or `BUSY`.
    """
    spec = load_run(folder)
    config = RunConfig.model_validate(dict(spec.config))
    group = join_group(cuda=wants_cuda(config.runtime))
    with ExitStack() as held, listening() as stop:
        code = group.share(_claim(folder, held) if group.leads else None)
        if code is not None:
            return int(code)
        return _attempts(folder, cache, spec, config, group, stop)


def _claim(folder: Path, held: ExitStack) -> int | None:
    """Take the run's lock; a code when there is nothing to do."""
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        return BUSY
    held.callback(lock.release)
    return COMPLETE if read_run(folder).status is RunStatus.COMPLETE else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; `code` None: the run goes on in another attempt."""

    code: int | None
    status: RunStatus
    failure: str | None = None
    message: str = ""
    detail: str = ""


def _attempts(
    folder: Path, cache: Path, spec: RunSpec, config: RunConfig, group: Group, stop: StopRequest
) -> int:
    while True:
        begun = time.perf_counter()
        journal = Journal(folder, group)
        task = Task(folder, cache, spec.seed or 0, config, group, journal, stop)
        outcome = _outcome(task)
        if outcome.detail:
            print(outcome.detail, file=sys.stderr, flush=True)
        _finish(journal, outcome, time.perf_counter() - begun)
        if outcome.code is not None:
            return outcome.code


def _finish(journal: Journal, outcome: Outcome, seconds: float) -> None:
    journal.emit(
        Finished(
            status=outcome.status,
            step=journal.step,
            seconds=seconds,
            train_seconds=journal.train_seconds,
            peak_memory=peak_memory(),
            failure=outcome.failure,
            message=outcome.message,
            detail=outcome.detail,
        )
    )
    journal.close()


def _outcome(task: Task) -> Outcome:
    try:
        carry_out(task)
    except StoppedError as stopped:
        return Outcome(RESUMABLE, RunStatus.STOPPED, message=str(stopped))
    except RollBack as back:
        return _rolled_back(task, back)
    except (Exception, KeyboardInterrupt) as error:
        return Outcome(
            FAILED,
            RunStatus.FAILED,
            failure=failure_of(error),
            message=f"{type(error).__name__}: {error}",
            detail=traceback.format_exc(),
        )
    return Outcome(COMPLETE, RunStatus.COMPLETE)


def _rolled_back(task: Task, back: RollBack) -> Outcome:
    guard = task.config.recipe.guard
    done = task.journal.history.rollbacks
    if done >= guard.rollbacks:
        message = f"{back.reason}, after {done} roll-backs"
        return Outcome(FAILED, RunStatus.FAILED, failure="non_finite", message=message)
    message = (
        f"{back.reason}; training goes on from the last checkpoint with the learning rate times "
        f"{guard.lr_factor ** (done + 1):g}"
    )
    task.journal.emit(Noted(step=back.step, topic="rollback", message=message, lasting=True))
    return Outcome(None, RunStatus.STOPPED, message=message)
