"""The local launcher against real processes."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tempo.core.jobs import BUSY, RESUMABLE, JobSpec, JobState
from tempo.launch.local import LocalLauncher

PATIENCE = 20.0


def job(tmp_path: Path, key: str, code: str) -> JobSpec:
    return JobSpec(key=key, argv=[sys.executable, "-c", code], log=tmp_path / f"{key}.log")


def wait(launcher: LocalLauncher, key: str) -> tuple[JobState, int | None]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status = launcher.poll()[key]
        if status.state is not JobState.RUNNING:
            return status.state, status.code
        time.sleep(0.02)
    raise AssertionError(f"{key} did not end within {PATIENCE} s")


@pytest.fixture
def launcher() -> Iterator[LocalLauncher]:
    launcher = LocalLauncher([{"SLOT": "a"}, {"SLOT": "b"}])
    yield launcher
    launcher.kill(list(launcher.poll()))


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (0, JobState.OK),
        (1, JobState.FAILED),
        (RESUMABLE, JobState.STOPPED),
        (BUSY, JobState.PENDING),
    ],
)
def test_exit_codes(launcher: LocalLauncher, tmp_path: Path, code: int, state: JobState) -> None:
    launcher.submit(job(tmp_path, "x", f"raise SystemExit({code})"))
    assert wait(launcher, "x") == (state, code)


def test_output_goes_to_the_log_and_hostile_arguments_arrive_whole(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    nasty = "a b'\"$(touch x)\n\\é"
    code = "import sys; print(ascii(sys.argv[1])); print(2, file=sys.stderr)"
    launcher.submit(
        JobSpec(key="x", argv=[sys.executable, "-c", code, nasty], log=tmp_path / "x.log")
    )
    assert wait(launcher, "x")[0] is JobState.OK
    assert (tmp_path / "x.log").read_text().split() == f"{nasty!a} 2".split()


def test_each_slot_has_its_environment_and_a_key_runs_once(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    code = "import os, time; print(os.environ['SLOT'], flush=True); time.sleep(0.5)"
    for key in ("x", "x", "y"):
        launcher.submit(job(tmp_path, key, code))
    with pytest.raises(RuntimeError, match="all 2 slots are busy"):
        launcher.submit(job(tmp_path, "z", code))
    assert {wait(launcher, key)[0] for key in ("x", "y")} == {JobState.OK}
    assert {(tmp_path / f"{key}.log").read_text().strip() for key in ("x", "y")} == {"a", "b"}


def test_stop_is_a_request_and_kill_takes_the_children_along(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    stubborn = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
while True:
    time.sleep(0.05)
"""
    launcher.submit(job(tmp_path, "x", stubborn))
    log = tmp_path / "x.log"
    deadline = time.monotonic() + PATIENCE
    while not log.read_text().endswith("\n") and time.monotonic() < deadline:
        time.sleep(0.02)
    child = int(log.read_text().split()[0])
    launcher.stop(["x"])
    while "asked" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert launcher.poll()["x"].state is JobState.RUNNING
    launcher.kill(["x"])
    assert wait(launcher, "x") == (JobState.LOST, -9)
    _, alive = psutil.wait_procs(
        [psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=PATIENCE
    )
    assert not alive or alive[0].status() == psutil.STATUS_ZOMBIE
