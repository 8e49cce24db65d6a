"""The local launcher against real processes, spawned and forked alike."""

import importlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tempo.core.jobs import BUSY, RESUMABLE, JobSpec, JobState
from tempo.launch.launchers.local import LocalLauncher
from tempo.launch.launchers.worker_processes import ForkServer, spawn
from tempo.launch.worker_command import WORKER

PATIENCE = 20.0

ENTRY = """
import sys

def run(arguments):
    sys.argv = arguments[1:]
    exec(compile(arguments[1], "job", "exec"), {"__name__": "job"})
    return 0
"""
"""A command line that does what `python -c` does, for forks to call."""


class Bench:
    """A launcher of two slots, and the words in front of a job's code."""

    def __init__(self, launcher: LocalLauncher, prefix: Sequence[str], folder: Path) -> None:
        self.launcher, self.prefix, self.folder = launcher, prefix, folder

    def submit(self, key: str, code: str, *arguments: str) -> Path:
        log = self.folder / f"{key}.log"
        job = JobSpec(key=key, argv=[*self.prefix, "-c", code, *arguments], log=log)
        self.launcher.submit([job])
        return log

    def wait(self, key: str) -> tuple[JobState, int | None]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            status = self.launcher.poll()[key]
            if status.state is not JobState.RUNNING:
                return status.state, status.code
            time.sleep(0.02)
        raise AssertionError(f"{key} did not end within {PATIENCE} s")


def wait_for(log: Path, text: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if log.is_file() and text in log.read_text():
            return log.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{text!r} did not appear in {log} within {PATIENCE} s")


@pytest.fixture(params=["spawned", "forked"])
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    slots = [{"SLOT": "a"}, {"SLOT": "b"}]
    if request.param == "spawned":
        bench = Bench(LocalLauncher(slots, spawn), [sys.executable], tmp_path)
    else:
        (tmp_path / "job_entry.py").write_text(ENTRY)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "job_entry", raising=False)
        entry = importlib.import_module("job_entry").run
        bench = Bench(LocalLauncher(slots, ForkServer(entry, ["json"])), WORKER, tmp_path)
    yield bench
    bench.launcher.kill(list(bench.launcher.poll()))


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (0, JobState.OK),
        (1, JobState.FAILED),
        (RESUMABLE, JobState.STOPPED),
        (BUSY, JobState.BUSY),
    ],
)
def test_exit_codes(bench: Bench, code: int, state: JobState) -> None:
    bench.submit("x", f"raise SystemExit({code})")
    assert bench.wait("x") == (state, code)


def test_an_uncaught_error_is_a_failure_and_its_traceback_is_in_the_log(bench: Bench) -> None:
    log = bench.submit("x", "raise KeyError('lost')")
    assert bench.wait("x") == (JobState.FAILED, 1)
    assert "KeyError: 'lost'" in log.read_text()


def test_output_goes_to_the_log_and_hostile_arguments_arrive_whole(bench: Bench) -> None:
    nasty = "a b'\"$(touch x)\n\\é"
    code = "import sys; print(ascii(sys.argv[1]), flush=True); print(2, file=sys.stderr)"
    log = bench.submit("x", code, nasty)
    assert bench.wait("x")[0] is JobState.OK
    assert log.read_text() == f"{nasty!a}\n2\n"


def test_each_slot_has_its_environment_and_a_key_runs_once(bench: Bench) -> None:
    code = "import os, time; print(os.environ['SLOT'], flush=True); time.sleep(1)"
    logs = {bench.submit(key, code) for key in ("x", "x", "y")}
    with pytest.raises(RuntimeError, match="all 2 slots are busy"):
        bench.submit("z", code)
    assert {bench.wait(key)[0] for key in ("x", "y")} == {JobState.OK}
    assert {log.read_text().strip() for log in logs} == {"a", "b"}


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, flush=True)
while True:
    time.sleep(0.05)
"""


def test_stop_is_a_request_and_kill_takes_the_children_along(bench: Bench) -> None:
    log = bench.submit("x", STUBBORN)
    child = int(wait_for(log, "child").split()[1])
    bench.launcher.cancel(["x"])
    wait_for(log, "asked")
    assert bench.launcher.poll()["x"].state is JobState.RUNNING
    bench.launcher.kill(["x"])
    assert bench.wait("x") == (JobState.LOST, -9)
    deadline = time.monotonic() + PATIENCE
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_fork_server_runs_tempo_only(tmp_path: Path) -> None:
    launcher = LocalLauncher([{}], ForkServer(lambda arguments: 0, []))
    with pytest.raises(ValueError, match="runs worker commands only"):
        launcher.submit([JobSpec(key="x", argv=["/bin/true"], log=tmp_path / "x.log")])
