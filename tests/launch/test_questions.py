"""A worker that is asked something: what it reads, answers and says when it fails, in both ways."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest

from tempo.core.errors import TempoError
from tempo.launch.launchers import fork_entry, questions
from tempo.launch.launchers.worker_processes import ForkServer, NewProcesses, WorkerStart

from .slurm_cluster import wait_until

ENTRY = """
import os, signal, subprocess, sys, time

def entry(arguments):
    request = sys.stdin.read()
    if arguments == ["echo"]:
        print(len(request), ascii(request[-1]), os.getcwd(), flush=True)
        print(os.environ.get("ADDED"), os.environ.get("REMOVED"), flush=True)
        print("said aside", file=sys.stderr)
    elif arguments == ["fail"]:
        raise KeyError("lost")
    elif arguments == ["die"]:
        os.kill(os.getpid(), signal.SIGKILL)
    elif arguments == ["hang"]:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(os.getpid(), child.pid, flush=True)
        time.sleep(600)
    return 0

if __name__ == "__main__":
    sys.exit(entry(sys.argv[1:]))
"""


@pytest.fixture(params=["spawned", "forked"])
def start(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> WorkerStart:
    monkeypatch.setenv("REMOVED", "still there")
    script = tmp_path / "questioned_entry.py"
    script.write_text(ENTRY)
    if request.param == "spawned":
        monkeypatch.setattr(questions, "WORKER", (sys.executable, str(script)))
        return NewProcesses()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "questioned_entry", raising=False)
    server = ForkServer(importlib.import_module("questioned_entry").entry, ["json"])
    server.warm()
    return server


def test_it_reads_all_of_the_request_in_the_folder_and_environment_of_the_moment(
    start: WorkerStart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("ADDED", "by now")
    monkeypatch.delenv("REMOVED")
    with start.ask(["echo"], "x" * 300_000 + "\n") as worker:
        lines = [line.strip() for line in worker.answers]
        assert worker.wait() == 0
        assert worker.complaints() == "said aside\n"
    assert lines == [f"300001 '\\n' {tmp_path / 'here'}", "by now None"]


def test_no_file_is_left_where_both_sides_are_killed(
    start: WorkerStart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with start.ask(["echo"], "x") as worker:
        assert len([*worker.answers]) == 2
        assert [*(tmp_path / "temporary").iterdir()] == []
        assert worker.complaints() == "said aside\n"


@pytest.mark.parametrize(
    ("what", "code", "said"), [("fail", 1, "KeyError: 'lost'"), ("die", -9, "")]
)
def test_its_end_is_told(start: WorkerStart, what: str, code: int, said: str) -> None:
    with start.ask([what], "x") as worker:
        assert list(worker.answers) == []
        assert worker.wait() == code
        assert said in worker.complaints()


def _ended(pid: int) -> Callable[[], bool]:
    def look() -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return look


def test_it_ends_with_the_block_however_that_ends(start: WorkerStart) -> None:
    pids = []
    with pytest.raises(KeyboardInterrupt), start.ask(["hang"], "x") as worker:
        pids = [int(word) for word in worker.answers.readline().split()]
        raise KeyboardInterrupt
    assert _ended(pids[0])()
    if isinstance(start, ForkServer):
        wait_until(_ended(pids[1]), "the process that it started to end")
    else:
        psutil.Process(pids[1]).kill()


@pytest.mark.parametrize("start", ["forked"], indirect=True)
def test_a_server_that_is_killed_meanwhile_is_replaced(
    start: WorkerStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = forkserver._forkserver  # type: ignore[attr-defined]
    killed, read = [server._forkserver_pid], forkserver.read_signed  # type: ignore[attr-defined]
    os.kill(killed[0], signal.SIGSTOP)

    def read_after_its_end(sentinel: int) -> object:
        os.kill(killed[0], signal.SIGKILL)
        monkeypatch.setattr(forkserver, "read_signed", read)
        return read(sentinel)

    monkeypatch.setattr(forkserver, "read_signed", read_after_its_end)
    with start.ask(["echo"], "x") as worker:
        assert len([*worker.answers]) == 2
        assert worker.wait() == 0
    assert server._forkserver_pid not in killed


def test_a_server_that_is_killed_again_and_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseProcess):
        def start(self) -> None:
            raise EOFError

    monkeypatch.setattr(fork_entry, "PAUSE", 0.0)
    with pytest.raises(TempoError, match="was ended again and again"):
        fork_entry.start_fork(Killed)


INTERRUPTED = """
import os, signal, sys, time
from tempo.launch.launchers import worker_processes
from multiprocessing import forkserver
sys.path.insert(0, sys.argv[1])
from pathlib import Path
at_once = sys.argv[2] == "at once"
ready = Path(sys.argv[1], "ready")
worker_processes.ForkServer(print, ["slow_import"]).warm()
while not (at_once or ready.exists()):
    time.sleep(0.01)
os.kill(forkserver._forkserver._forkserver_pid, signal.SIGINT)
Path(sys.argv[1], "go").touch()
while not Path(sys.argv[1], "imported").exists():
    assert os.waitpid(forkserver._forkserver._forkserver_pid, os.WNOHANG) == (0, 0)
    time.sleep(0.01)
"""


@pytest.mark.parametrize("when", ["at once", "while it imports"])
def test_ctrl_c_does_not_interrupt_what_the_server_imports(tmp_path: Path, when: str) -> None:
    (tmp_path / "slow_import.py").write_text(
        "import time\nfrom pathlib import Path\n"
        "here = Path(__file__).parent\n(here / 'ready').touch()\n"
        "while not (here / 'go').exists():\n    time.sleep(0.01)\n"
        "(here / 'imported').touch()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path), when],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        },
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
