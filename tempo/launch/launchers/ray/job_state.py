"""Translate what Ray says of a job, and the exit code that its shell wrote, into a job's state."""

from __future__ import annotations

from tempo.core.jobs import JobState, JobStatus
from tempo.launch.launchers.ray.job_client import Row
from tempo.launch.worker_command import exit_state, shell_code

NEVER_BEGAN = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
"""Ray gave a job up that had waited for RAY_JOB_START_TIMEOUT_SECONDS, 15 minutes, for its turn."""

UNUSABLE = {"RUNTIME_ENV_SETUP_FAILURE", "JOB_ENTRYPOINT_COMMAND_START_ERROR"}
"""What would fail the next time, too."""


def status_of(row: Row | None, code: int | None, *, withdrawn: bool = False) -> JobStatus:
    """Return the state of a job that Ray lists as `row`, and whose shell wrote `code`.

    The code that the shell wrote decides: Ray has none for a job that it stopped, and after its
    head was lost it may call a success a failure. What ended without a code is lost, and what Ray
    does not know is `unknown`: neither is a success. `withdrawn`: the job was told to leave before
    it began, which Ray itself cannot tell one that waits.
    """
    if row is not None and row.state == "PENDING":
        return JobStatus(state=JobState.CANCELLED if withdrawn else JobState.PENDING)
    if row is not None and row.state == "RUNNING":
        return JobStatus(state=JobState.RUNNING, where=row.where)
    where = row.where if row is not None else ""
    known = code if code is not None else (row.code if row is not None else None)
    if known is not None:
        known = shell_code(known)
        return JobStatus(state=exit_state(known), code=known, where=where)
    return JobStatus(state=_codeless(row), where=where)


def _codeless(row: Row | None) -> JobState:
    if row is None:
        return JobState.UNKNOWN
    if row.state == "SUCCEEDED":
        return JobState.OK
    if row.state == "STOPPED" and not row.where:
        return JobState.CANCELLED
    if row.error == NEVER_BEGAN:
        # It did nothing, so nothing was lost: it is asked for again, as often as that takes.
        return JobState.BUSY
    return JobState.FAILED if row.error in UNUSABLE else JobState.LOST
