"""Launch runs on this machine, each by a torchrun of its own, also runs of one process."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from tempo.core.jobs import JobSpec
from tempo.core.torchrun_command import Processes, launch_command, launch_environment
from tempo.launch.launchers.local import LocalLauncher
from tempo.launch.launchers.worker_processes import Child, spawn


class TorchrunLauncher(LocalLauncher):
    """As `LocalLauncher`; a job's `resources.processes` ranks execute its arguments together.

    torchrun itself ends with 1 whatever became of its ranks, so each of them runs below
    `tempo.launch.launchers.torchrun_rank`, which writes the exit code down. A rank that dies
    ends the job; the next attempt is another torchrun.
    """

    def __init__(self, slots: Sequence[Mapping[str, str]]) -> None:
        super().__init__(slots, start_torchrun)

    def kill(self, keys: Iterable[str]) -> None:
        """End jobs at once with their ranks, which are outside their torchrun's process group."""
        chosen = list(keys)
        below = [process for key in chosen for process in self._below(key)]
        super().kill(chosen)
        for process in below:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _below(self, key: str) -> list[psutil.Process]:
        job = self._jobs.get(key)
        if job is None or job.child.code() is not None:
            return []
        with contextlib.suppress(psutil.Error):
            return psutil.Process(job.child.pid).children(recursive=True)
        return []


def torchrun_command(argv: Sequence[str], processes: int, codes: Path) -> list[str]:
    """Return the torchrun command that runs `argv` on each rank; `codes` receives exit codes."""
    below = [sys.executable, "-m", "tempo.launch.launchers.torchrun_rank"]
    command = [*below, str(codes), str(os.getpid()), *argv]
    return launch_command(Processes(per_node=processes), ["--no-python", *command])


def start_torchrun(job: JobSpec, environment: Mapping[str, str]) -> Child:
    number, name = tempfile.mkstemp(prefix="tempo-rank-")
    os.close(number)
    wanted = job.resources
    command = torchrun_command(job.argv, wanted.processes, Path(name))
    threads = max(wanted.cpus // wanted.processes, 1)
    needed = launch_environment(Processes(per_node=wanted.processes), threads)
    return _Torchrun(spawn(replace(job, argv=command), {**needed, **environment}), Path(name))


class _Torchrun:
    def __init__(self, agent: Child, codes: Path) -> None:
        self._agent, self._codes = agent, codes
        self._code: int | None = None
        self.pid = agent.pid

    def code(self) -> int | None:
        """Return the first failing exit code that a rank wrote; torchrun itself only reports 1."""
        if self._code is None and (code := self._agent.code()) is not None:
            told = self._codes.read_text().split()
            self._codes.unlink()
            self._code = int(told[0]) if told and code != 0 else code
        return self._code
