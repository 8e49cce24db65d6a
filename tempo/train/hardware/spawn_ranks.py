"""Run one run on several processes: start torchrun, and start it again when a rank dies.

A rank that dies ends the whole attempt; the next attempt is a new torchrun that resumes from the
last checkpoint. The number of processes never changes within a run: it would change the result.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from tempo.core.jobs import BUSY, RESUMABLE
from tempo.core.records import RunStatus
from tempo.core.torchrun_command import Processes, launch_command, launch_environment
from tempo.ledger.open import open_ledger
from tempo.records.events import LOST_LEASE
from tempo.records.layout import load_run, root_of
from tempo.records.run_record import RunRecord, read_run
from tempo.spec.sections.test_run import config_of
from tempo.train.run.stop_request import handling

FRESH_STARTS = 3
"""New attempts after a process died, as long as each one got further than the last."""


def run_spread(folder: Path, processes: Processes, target: Sequence[str]) -> int:
    """Carry out the run in `folder` on several processes; return the worker's exit code.

    `target` is what each process executes, as torchrun takes it: it has to call
    `tempo.train.run.run_folder.run` on the folder.
    """
    config = config_of(load_run(folder).config)
    command = launch_command(processes, target)
    environment = {**os.environ, **launch_environment(processes, config.runtime.threads)}
    # Several machines would have to agree on a fresh start: their launcher begins them anew.
    for _ in range(FRESH_STARTS if processes.nodes == 1 else 1):
        before = read_run(folder)
        code = _supervise(command, environment)
        after = read_run(folder)
        if code != 0 and len(after.attempts) == len(before.attempts):
            return _unbegun(folder)
        if code == 0 or not _died(before, after):
            return _code(after)
    return 1


def _died(before: RunRecord, after: RunRecord) -> bool:
    """Return whether the last attempt lost a process after it got further than the one before."""
    if len(after.attempts) == len(before.attempts):
        return False
    finish = after.attempts[-1].finish
    lost = finish is None or finish.failure in {"node", LOST_LEASE}
    further = after.step > before.step or after.attempts[-1].afresh
    return lost and (further or not before.attempts)


def _code(after: RunRecord) -> int:
    """Return the exit code that the record implies; torchrun reports every failure as 1."""
    if after.status is RunStatus.COMPLETE:
        return 0
    finish = after.attempts[-1].finish if after.attempts else None
    if finish is not None and finish.failure == LOST_LEASE:
        return BUSY
    return RESUMABLE if finish is not None and finish.status == RunStatus.STOPPED else 1


def _unbegun(folder: Path) -> int:
    """Return the exit code where no attempt began: the run is held, or was asked to stop."""
    with closing(open_ledger(None, root_of(folder))) as ledger:
        hold = ledger.holds([folder.name]).get(folder.name)
    return RESUMABLE if hold is not None and hold.asked_to_stop else BUSY


def _supervise(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run torchrun's agent and forward every stop signal to that process."""
    agent = subprocess.Popen(command, env=environment)
    with handling(lambda number, frame: agent.send_signal(number)):
        return agent.wait()
