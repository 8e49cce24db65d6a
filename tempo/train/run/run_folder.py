"""Carry out the run in a folder under its lease, in attempts; return the worker's exit code.

0 complete, 1 failed, 85 stopped and resumable, 75 held by another worker.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch.distributed as dist

from tempo.core.errors import (
    LeaseLostError,
    LedgerError,
    MissingError,
    RecordError,
    RunError,
    StoppedError,
)
from tempo.core.jobs import BUSY, NOTHING_BEGUN, RESUMABLE
from tempo.core.records import RunSpec, RunStatus
from tempo.core.redaction import redacted
from tempo.ledger.lease import Lease, refusal, take
from tempo.ledger.lease_keeper import kept_renewed
from tempo.ledger.open import open_ledger
from tempo.records.event_log import last_attempt
from tempo.records.events import Finished, Noted
from tempo.records.layout import load_run, root_of
from tempo.records.parent_runs import unready_parent
from tempo.records.reuse import reuse_status
from tempo.spec.sections.test_run import TestRunConfig, config_of
from tempo.train.hardware.device import out_of_memory, peak_memory, wants_cuda
from tempo.train.hardware.process_group import join_group
from tempo.train.optim.guard import RollBack
from tempo.train.run.attempt import RunContext, carry_out
from tempo.train.run.journal import Journal
from tempo.train.run.processor_time import processor_seconds
from tempo.train.run.stop_request import Objection, StopRequest, listening, watch_objection

COMPLETE, FAILED = 0, 1
PATIENCE = 1.0
"""Seconds to wait for another worker of the same run to leave."""


def run(
    folder: Path,
    cache: Path,
    *,
    reuse_stale: bool = False,
    reraise: bool = False,
    objection: Objection | None = None,
) -> int:
    """Carry out what is left of the run in `folder`; `cache` holds decoded pictures.

    Under torchrun every process calls this function, and together they are one worker. Work of
    other result-relevant code is done again from the start, unless `reuse_stale`. Once `objection`
    returns a reason, no run begins and a running one stops in order.

    Returns:
        `COMPLETE` (also when the run was complete before), `FAILED`, `RESUMABLE` or `BUSY`.

    Raises:
        BaseException: what the run failed with, once that is recorded; only with `reraise`.
    """
    spec = load_run(folder)
    config = config_of(spec.config)
    group = join_group(cuda=wants_cuda(config.runtime))
    try:
        with ExitStack() as held, listening() as stop:
            claim = _Claim(folder, spec, held, stop, objection)
            begun = claim.begin(reuse_stale=reuse_stale) if group.leads else None
            code, afresh = group.share((begun, claim.afresh))
            if code is not None:
                return int(code)
            journal = Journal(folder, group, claim.lease, afresh=afresh)
            seed, parents = spec.seed or 0, spec.parents
            context = RunContext(folder, cache, seed, config, group, journal, stop, parents)
            return _attempts(context, claim, reraise=reraise)
    except LeaseLostError as lost:
        print(f"{lost}; leaving", file=sys.stderr, flush=True)
        return BUSY


@dataclass(slots=True)
class _Claim:
    """The claim of rank 0 to a run; `held` releases what the claim holds. `afresh`: the work starts
    over, otherwise earlier work is resumed. `journal` is that of the attempt that goes on."""

    folder: Path
    spec: RunSpec
    held: ExitStack
    stop: StopRequest
    objection: Objection | None
    lease: Lease | None = None
    afresh: bool = False
    journal: Journal | None = None

    @property
    def key(self) -> str:
        """The name of the run in the ledger."""
        return self.spec.run_id

    def begin(self, *, reuse_stale: bool) -> int | None:
        """Claim the run; return an exit code when there is nothing to do, or nothing yet because a
        run has no result that this one takes weights from."""
        if reuse_status(self.folder).reusable(stale_too=reuse_stale):
            return COMPLETE
        if self.objection and (why := self.objection()):
            print(f"{why}{NOTHING_BEGUN}", file=sys.stderr, flush=True)
            return RESUMABLE
        if why := unready_parent(self.folder.parent, self.spec.parents):
            print(f"The run waits: {why}; nothing was begun.", file=sys.stderr, flush=True)
            return RESUMABLE
        ledger = open_ledger(None, root_of(self.folder))
        self.held.callback(ledger.close)
        above = last_attempt(self.folder)
        self.lease = take(ledger, self.key, above=above, patience=PATIENCE)
        if self.lease is None:
            hold = ledger.holds([self.key]).get(self.key)
            claims = str(root_of(self.folder) / "claims")
            print(refusal(hold, self.key, claims), file=sys.stderr, flush=True)
            return RESUMABLE if hold is not None and hold.asked_to_stop else BUSY
        self.held.callback(self.lease.release)
        # Another worker may have completed the run before the claim; none can from here on.
        found = reuse_status(self.folder)
        if found.reusable(stale_too=reuse_stale):
            return COMPLETE
        self.held.enter_context(kept_renewed(self.lease, self.stop.ask, self._lose))
        if self.objection:
            self.held.enter_context(watch_objection(self.objection, self.stop))
        self.afresh = found.stale and not reuse_stale
        return None

    def _lose(self, reason: str) -> None:
        if self.journal is not None:
            self.journal.lose(reason)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; `code` None: the run continues in another attempt."""

    code: int | None
    status: RunStatus
    failure: str | None = None
    message: str = ""
    detail: str = ""
    error: BaseException | None = None


def _attempts(context: RunContext, claim: _Claim, *, reraise: bool) -> int:
    spread = context.group.world > 1
    while True:
        claim.journal = context.journal
        begun, worked = time.perf_counter(), processor_seconds(of_all_ranks=spread)
        outcome = _outcome(context)
        # What failed may quote the address of a database.
        detail = redacted(outcome.detail)
        if detail:
            print(detail, file=sys.stderr, flush=True)
        journal = context.journal
        journal.finish(
            Finished(
                status=outcome.status,
                step=journal.step,
                seconds=time.perf_counter() - begun,
                train_seconds=journal.train_seconds,
                peak_memory=peak_memory(),
                failure=outcome.failure,
                message=redacted(outcome.message),
                detail=detail,
                cpu_seconds=max(0.0, processor_seconds(of_all_ranks=spread) - worked),
            )
        )
        if outcome.error is not None and reraise:
            raise outcome.error
        if outcome.code is not None:
            return outcome.code
        context = replace(context, journal=journal.next())


def _outcome(context: RunContext) -> Outcome:
    try:
        if isinstance(context.config, TestRunConfig):
            # What judges further sets is no part of a training's code, which loads none of it.
            from tempo.train.run.test_set_run import evaluate_on_test_set

            evaluate_on_test_set(context, context.config)
        else:
            carry_out(context)
    except StoppedError as stopped:
        return Outcome(RESUMABLE, RunStatus.STOPPED, message=str(stopped))
    except RollBack as back:
        return _rolled_back(context, back)
    except LeaseLostError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        return _failed(error)
    return Outcome(COMPLETE, RunStatus.COMPLETE)


def _failed(error: BaseException) -> Outcome:
    """Return the outcome of an attempt that `error` ended.

    torch's handler of SIGCHLD raises once for every loader that was killed, in whatever line runs
    then, which may be one of these.
    """
    while True:
        try:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return Outcome(
                FAILED,
                RunStatus.FAILED,
                failure=failure_of(error),
                message=f"{type(error).__name__}: {error}",
                detail="".join(traceback.format_exception(error)),
                error=error,
            )
        except RuntimeError as later:
            if not _lost_process(later):
                raise


def _rolled_back(context: RunContext, back: RollBack) -> Outcome:
    guard = context.config.recipe.guard
    done = context.journal.history.rollbacks
    if done >= guard.rollbacks:
        message = f"{back.reason}, after {done} roll-backs"
        return Outcome(FAILED, RunStatus.FAILED, failure="non_finite", message=message)
    message = (
        f"{back.reason}; training goes on from the last checkpoint with the learning rate times "
        f"{guard.lr_factor ** (done + 1):g}"
    )
    context.journal.emit(Noted(step=back.step, topic="rollback", message=message, lasting=True))
    return Outcome(None, RunStatus.STOPPED, message=message)


def failure_of(error: BaseException) -> str:
    """Return the failure class of an exception, one of `tempo.core.records.FAILURES`."""
    if isinstance(error, RunError):
        return error.failure
    if out_of_memory(error):
        return "oom"
    if isinstance(error, MissingError | RecordError | FileNotFoundError | PermissionError):
        return "data"
    if isinstance(error, dist.DistError | OSError | LedgerError) or _lost_process(error):
        return "node"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "bug"


def _lost_process(error: BaseException) -> bool:
    """Tell whether torch says that another rank, or a process that loads data, has died."""
    text = str(error)
    peer = ("Connection closed by peer", "Connection reset by peer", "gloo", "NCCL", "nccl")
    signs = (*peer, "DataLoader worker")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)
