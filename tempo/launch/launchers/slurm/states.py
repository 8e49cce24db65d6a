"""What Slurm's job states mean here."""

from __future__ import annotations

from tempo.core.jobs import BUSY, RESUMABLE, JobState, JobStatus
from tempo.launch.launchers.slurm.commands import Row

WAITING = {
    "PENDING",
    "CONFIGURING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
}
GOING_ON = {
    "RUNNING",
    "COMPLETING",
    "RESIZING",
    "SIGNALING",
    "STAGE_OUT",
    "STOPPED",
    "SUSPENDED",
}
DEAD = {
    "BOOT_FAIL",
    "DEADLINE",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}


def status_of(row: Row | None) -> JobStatus:
    """A hint of what became of a job; `unknown` for one that Slurm does not remember."""
    if row is None:
        return JobStatus(state=JobState.UNKNOWN)
    if row.state in WAITING:
        return JobStatus(state=JobState.PENDING)
    if row.state in GOING_ON:
        return JobStatus(state=JobState.RUNNING, where=row.nodes)
    state, code = _ended(row)
    return JobStatus(state=state, code=code, where=row.nodes)


def _ended(row: Row) -> tuple[JobState, int | None]:
    code = exit_code(row.code)
    if row.state == "CANCELLED":
        # Only a job that began has nodes; whether it left in order is for its records to say.
        return (JobState.LOST if row.nodes else JobState.CANCELLED), None
    if row.state in DEAD:
        return JobState.LOST, code or None
    if row.state in {"COMPLETED", "FAILED"}:
        default = JobState.LOST if code < 0 else JobState.FAILED
        return BY_CODE.get(code, default), code
    return JobState.UNKNOWN, None


BY_CODE = {0: JobState.OK, RESUMABLE: JobState.STOPPED, BUSY: JobState.BUSY}


def exit_code(status: int) -> int:
    """The exit code in a wait status; negative for a signal, also one that a shell reports."""
    if status & 0x7F:
        return -(status & 0x7F)
    code = status >> 8
    return -(code - 128) if 128 < code < 160 else code
