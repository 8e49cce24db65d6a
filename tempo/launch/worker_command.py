"""Build the command of a worker: the argument vector that every launcher executes for a run.

Protocol: a worker is `python -m tempo.worker run RUN_DIR ...`. A launcher either executes that
command, or has `call_worker` called with the arguments behind the prefix `WORKER`, in a process
forked from a warm server or in this very process. Exit codes: `tempo.core.jobs`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tempo.core.jobs import BUSY, RESUMABLE, JobState
from tempo.core.torchrun_command import Processes

MODULE = "tempo.worker"
WORKER = (sys.executable, "-m", MODULE)
"""What stands before a worker's arguments in every launcher."""


def worker_arguments(argv: Sequence[str], rule: str) -> list[str]:
    """Return a worker command without its prefix; a ValueError states `rule` for another one."""
    if tuple(argv[: len(WORKER)]) != WORKER:
        raise ValueError(f"{rule}, not {argv}")
    return list(argv[len(WORKER) :])


def exit_state(code: int) -> JobState:
    """Translate an exit code; a death by signal is LOST, and the records tell the cause."""
    known = {0: JobState.OK, RESUMABLE: JobState.STOPPED, BUSY: JobState.BUSY}
    return known.get(code, JobState.LOST if code < 0 else JobState.FAILED)


def shell_code(code: int) -> int:
    """Return an exit code as a shell reports it with signals as negative numbers."""
    return -(code - 128) if 128 < code < 160 else code


def call_worker(arguments: Sequence[str]) -> int:
    """Execute a worker command in this process; returns its exit code.

    The module is imported by name at the call: workers stand above launchers, as the program that
    launchers start.
    """
    return int(import_module(f"{MODULE}.command").main(arguments))


ALONE = Processes(per_node=1)
"""A run in one process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCommand:
    """The options of one worker.

    Attributes:
        folder: the run's folder in the records, which holds `run.json`.
        cache: folder of decoded pictures.
        processes: how the run is spread over processes and nodes.
        with_parent: the worker leaves when the process that started it ends.
        reraise: a failure is recorded, then raised (for a debugger).
        reuse_stale: results of other code are taken as they are.
        within: study and profile whose budget of GPU-hours the worker keeps to.
        scratch: a node's own disk, to which the cache is copied first.
    """

    folder: Path
    cache: Path
    processes: Processes = ALONE
    with_parent: bool = True
    reraise: bool = False
    reuse_stale: bool = False
    within: Sequence[str] | None = None
    scratch: str | None = None

    def argv(self) -> list[str]:
        """The whole command, which starts torchrun itself where several processes are asked for."""
        spread = self.processes
        argv = [*WORKER, *self._arguments()]
        argv += ["--raise"] if self.reraise else []
        argv += ["--scratch", self.scratch] if self.scratch else []
        argv += ["--ddp", str(spread.per_node)] if spread.world > 1 else []
        return [*argv, "--nodes", str(spread.nodes)] if spread.nodes > 1 else argv

    def rank_target(self) -> list[str]:
        """What each rank of a torchrun executes, in the form that torchrun takes."""
        return ["-m", MODULE, *self._arguments()]

    def _arguments(self) -> list[str]:
        arguments = ["run", str(self.folder), "--cache", str(self.cache)]
        arguments += ["--with-parent"] if self.with_parent else []
        arguments += ["--reuse-stale"] if self.reuse_stale else []
        return [*arguments, *(["--within", *self.within] if self.within else [])]
