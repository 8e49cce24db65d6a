"""Decide what follows from a failed run, and record the end of a worker that was lost."""

from __future__ import annotations

import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tempo.core.jobs import NOTHING_BEGUN, JobState, JobStatus
from tempo.core.records import RunStatus
from tempo.core.redaction import redacted
from tempo.ledger.lease_keeper import LEAVING
from tempo.records.event_log import EventLog
from tempo.records.events import AttemptStarted, Finished
from tempo.records.run_record import RunRecord, read_run

RETRIES = 2
"""How often a run is started again after its worker, or the node below it, was lost."""

FRUITLESS = 5
"""How often in a row a cluster's queue restarts a run that makes no progress."""

TAIL_BYTES = 4000
"""How much of a lost worker's output is kept in its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`retries`: how often to try again, on another slot or node where there is one. `holds_back`:
    whether runs that would fail alike are not started. `why` is printed with the failure."""

    retries: int = 0
    holds_back: bool = False
    why: str = ""


POLICIES: dict[str, Policy] = {
    "oom": Policy(why="the micro-batch was halved as far as it goes, a smaller one is not tried"),
    "non_finite": Policy(why="the guard of the recipe rolled back as often as it may"),
    "data": Policy(why="it would not find its data the next time either"),
    "node": Policy(retries=RETRIES),
    "lost": Policy(retries=RETRIES),
    "interrupted": Policy(retries=RETRIES),
    "bug": Policy(holds_back=True),
}
"""By the classes of `tempo.core.records.FAILURES`, and `lost`: a death without any record."""

_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_ERROR = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning))\b")


def signature(detail: str, message: str) -> str:
    """Return what failures of one cause share: the kind of error and the line that raised it.

    Values in the message are left out, since they differ from run to run. Without a traceback the
    message is the signature.
    """
    frames = _FRAME.findall(detail)
    kinds = [found["type"] for line in detail.splitlines() if (found := _ERROR.match(line))]
    if not frames:
        return message
    file, line = frames[-1]
    return f"{kinds[-1] if kinds else '?'} at {file}:{line}"


def fruitless(record: RunRecord, restarts: int) -> str | None:
    """Say why a run that its queue restarted `restarts` times must not be restarted again.

    None while the run makes progress. A new submission starts counting at zero.
    """
    last = [each.finish for each in record.attempts if each.finish is not None][-FRUITLESS:]
    if restarts < FRUITLESS or len(last) < FRUITLESS:
        return None
    stopped = all(finish.status == RunStatus.STOPPED for finish in last)
    if not stopped or last[-1].step > last[0].step:
        return None
    return (
        f"{FRUITLESS} attempts in a row were stopped before they got past step {last[-1].step}; "
        "give each of them more time (resources.time) and submit the study again"
    )


def lost_lease(log: Path) -> str | None:
    """Return why a worker left its run, where it lost the lease; None where it never had it."""
    return _before_the_end(log, LEAVING)


def refusal(log: Path) -> str | None:
    """Return why a worker left its run before it began, as when a budget is used up; None where it
    said nothing of that."""
    return _before_the_end(log, NOTHING_BEGUN)


def _before_the_end(log: Path, ending: str) -> str | None:
    """Return the last line of a log without its ending; None where it ends otherwise."""
    lines = _last_bytes(log).decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else ""
    return last.removesuffix(ending) if last.endswith(ending) else None


def _last_bytes(log: Path) -> bytes:
    if not log.is_file():
        return b""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - TAIL_BYTES, 0))
        return file.read()


def record_worker_death(folder: Path, status: JobStatus, log: Path, *, attempt: int) -> None:
    """Append the missing `Finished` event of `attempt`; do nothing when it was recorded.

    Call only while the worker's process is gone and its run is claimed in the ledger, so that
    no other process writes to the record.
    """
    record = read_run(folder)
    # A worker whose predecessor died between its claim and its first event has a higher number
    # than the pool foresaw: the newest attempt is the one that died, and only its end counts.
    attempt = max([attempt, *(each.number for each in record.attempts)])
    mine = next((each for each in record.attempts if each.number == attempt), None)
    if mine is not None and mine.finish is not None:
        return
    output = _last_bytes(log)
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
                failure="node" if _by_its_node(status) else "bug",
                message=cause(status),
                detail=redacted(output.decode(errors="replace")),
            ),
            durable=True,
        )


def _by_its_node(status: JobStatus) -> bool:
    """Return whether a worker was killed, or lost with its node, and did not fail by itself."""
    if status.code is None:
        return status.state is not JobState.FAILED
    return status.code < 0


def cause(status: JobStatus) -> str:
    """Return how a worker died that recorded nothing of it."""
    if status.code is not None and status.code < 0:
        name = signal.Signals(-status.code).name
        hint = " (often the system ran out of memory)" if name == "SIGKILL" else ""
        return f"the worker was killed by {name}{hint}"
    if status.code is None:
        return "the cluster lost the worker, or its node, and has no exit code"
    return f"the worker exited with code {status.code} before it could say why"
