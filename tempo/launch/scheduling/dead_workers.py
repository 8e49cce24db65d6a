"""Recording the end of a worker that could not record it itself."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tempo.core.jobs import JobStatus
from tempo.core.records import RunStatus
from tempo.records.event_log import EventLog
from tempo.records.events import AttemptStarted, Finished
from tempo.records.run_record import read_run

TAIL_BYTES = 4000


def _cause(status: JobStatus) -> str:
    if status.code is not None and status.code < 0:
        name = signal.Signals(-status.code).name
        hint = " (often the system ran out of memory)" if name == "SIGKILL" else ""
        return f"the worker was killed by {name}{hint}"
    return f"the worker exited with code {status.code} before it could say why"


def _end_of(log: Path) -> str:
    if not log.is_file():
        return ""
    return log.read_bytes()[-TAIL_BYTES:].decode(errors="replace")


def record_death(folder: Path, status: JobStatus, log: Path, *, attempt: int) -> None:
    """Append the missing `Finished` event of `attempt`; does nothing when it is there.

    Call only when the worker's process is gone, so that nothing else writes to the log. A worker
    whose predecessor died between claim and first line has a higher number than was foreseen: the
    newest attempt is the one that died, and only its end counts.
    """
    record = read_run(folder)
    attempt = max([attempt, *(each.number for each in record.attempts)])
    mine = next((each for each in record.attempts if each.number == attempt), None)
    if mine is not None and mine.finish is not None:
        return
    with EventLog(folder, attempt) as events:
        if mine is None:
            events.append(AttemptStarted(resumed_step=record.step, total_steps=0))
        started = mine.started if mine else time.time()
        events.append(
            Finished(
                status=RunStatus.FAILED,
                step=mine.last_step if mine else record.step,
                seconds=time.time() - started,
                train_seconds=mine.ended - mine.started if mine else 0.0,
                peak_memory=0,
                failure="node" if status.code is not None and status.code < 0 else "bug",
                message=_cause(status),
                detail=_end_of(log),
            ),
            durable=True,
        )
