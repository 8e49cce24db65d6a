"""The end of a worker that could not record it."""

from __future__ import annotations

from pathlib import Path

from tempo.core.jobs import JobState, JobStatus
from tempo.core.records import RunSpec, RunStatus
from tempo.launch.scheduling.failure_policy import record_worker_death
from tempo.records.event_log import EventLog
from tempo.records.events import AttemptStarted, Claimed
from tempo.records.layout import Store
from tempo.records.run_record import read_run

KILLED = JobStatus(state=JobState.LOST, code=-9)


def test_the_attempt_that_died_may_have_a_higher_number_than_foreseen(tmp_path: Path) -> None:
    """A token is spent by every claim, also by one whose worker wrote nothing."""
    folder = Store(tmp_path).save_run(RunSpec(run_id="a" * 12, seed=0, config={"x": 1}))
    with EventLog(folder, 3) as log:
        log.append(Claimed(host="h", pid=1))
        log.append(AttemptStarted(resumed_step=0, total_steps=30))
    for _ in range(2):
        record_worker_death(folder, KILLED, tmp_path / "none", attempt=2)
        record = read_run(folder)
        assert record.status is RunStatus.FAILED
        assert [each.number for each in record.attempts] == [3]
        assert record.finish is not None and record.finish.failure == "node"
