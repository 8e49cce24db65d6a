"""Commands under hostile environments: other encodings, little memory, a folder without rights."""

from __future__ import annotations

import errno
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tempo.cli.main import main
from tempo.core.errors import NO_TEMPORARY, lacking_on_machine
from tempo.core.startup import lacks_shared_memory
from tempo.launch.accounting.gpu_usage import memory_of
from tempo.launch.launchers.worker_processes import WORKER_START
from tempo.ledger import port
from tempo.ledger.open import open_ledger
from tempo.ledger.port import Owner, is_dead, this_process
from tempo.records.event_log import EventLog, read_events
from tempo.records.events import Noted
from tempo.records.files import write_together
from tempo.records.layout import Store
from tests.tiny_study import TINY

from .conftest import Call

ENCODINGS = {
    "the C locale": {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
}


@pytest.mark.parametrize("kind", ENCODINGS)
@pytest.mark.usefixtures("study")
def test_results_are_printed_under_any_encoding(kind: str) -> None:
    command = [sys.executable, "-m", "tempo.cli.main", "compare", "hostile", "--records", "records"]
    done = subprocess.run(
        command, env=os.environ | ENCODINGS[kind], capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    said = done.stdout.decode("latin-1")
    assert "D PSNR (dB)" in said and "PSNR ^" in said
    assert "?" not in said.replace("?\n", "\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "error: memory ran out. What was finished is kept"),
        (
            OSError(errno.ENOSPC, "No space left on device", "reports/index.html"),
            "error: No space left on device (reports/index.html). What was finished is kept",
        ),
        (OSError(errno.EROFS, "Read-only file system"), "error: Read-only file system. What was"),
    ],
)
def test_what_the_machine_lacks_is_said_in_a_sentence(
    error: Exception, said: str, study: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*ignored: object) -> None:
        raise error

    monkeypatch.setattr("tempo.report.document.write_report", fail)
    done = call("compare", "hostile", "--records", str(study / "records"))
    assert done.code == 2
    assert done.err.startswith(said)


def test_an_error_of_our_own_keeps_its_traceback(
    study: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*ignored: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "forgotten")

    monkeypatch.setattr("tempo.report.document.write_report", fail)
    with pytest.raises(FileNotFoundError):
        call("compare", "hostile", "--records", str(study / "records"))


def _may_mount() -> bool:
    """Whether this user may mount file systems in a namespace of their own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(not _may_mount(), reason="no file system may be mounted here")


def mounted(mounts: str, *argv: str, after: str = "true") -> subprocess.CompletedProcess[str]:
    """Run Python under other mounts, then `after` in a shell; the exit code is Python's."""
    command = shlex.join([sys.executable, *argv])
    script = f"{mounts} || exit 99; {command}; code=$?; {after}; exit $code"
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )


READ_ONLY_MEMORY = "mount -t tmpfs -o ro tmpfs /dev/shm"


@needs_mounts
def test_memory_that_processes_cannot_share_is_known() -> None:
    assert lacks_shared_memory() is None
    ask = "from tempo.core.startup import lacks_shared_memory as ask; print(ask())"
    done = mounted(READ_ONLY_MEMORY, "-c", ask)
    assert done.stdout.strip() == (
        "processes cannot share memory on this machine (/dev/shm: Read-only file system)"
    )


@needs_mounts
@pytest.mark.slow
def test_a_study_that_needs_shared_memory_is_refused_before_it_begins(tmp_path: Path) -> None:
    spec = tmp_path / "shared.yaml"
    asked = TINY.replace("{device: cpu}", "{device: cpu, workers: 2}")
    spec.write_text(f"study: shared\nquestion: Is it refused?\n{asked}seeds: [0]\n")
    places = [word for name in ("records", "cache", "reports")
              for word in (f"--{name}", str(tmp_path / name))]  # fmt: skip
    command = ["-m", "tempo.cli.main", "run", str(spec), "--mlflow", "off", *places]
    done = mounted(READ_ONLY_MEMORY, *command)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cannot share memory on this machine (/dev/shm: Read-only file system)" in done.stderr
    assert "which the 2 processes that load data need (runtime.workers)" in done.stderr
    assert "--set runtime.workers=0" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["shared.yaml"]


@needs_mounts
@pytest.mark.slow
def test_a_cache_is_built_without_shared_memory(tmp_path: Path) -> None:
    """By one process, though several were asked for."""
    code = (
        "import json, sys; from pathlib import Path\n"
        "from tempo.data.open_dataset import prepare\n"
        "from tempo.spec.data import Procedural\n"
        "data = Procedural(size=(32, 32), train_clips=600, val_clips=2, test_clips=2)\n"
        "prepare(data, Path(sys.argv[1]), lambda *ignored: None, 2)\n"
    )
    assert mounted("true", "-c", code, str(tmp_path / "shared")).returncode == 0
    done = mounted(READ_ONLY_MEMORY, "-c", code, str(tmp_path / "alone"))
    assert done.returncode == 0, done.stderr

    def files(folder: Path) -> dict[str, bytes]:
        found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}

    assert files(tmp_path / "alone") == files(tmp_path / "shared") != {}


@needs_mounts
def test_a_disk_that_fills_during_the_report_leaves_nothing_half_written(study: Path) -> None:
    shutil.rmtree(study / "reports", ignore_errors=True)
    (study / "reports").mkdir()
    full = "mount -t tmpfs -o size=100k tmpfs reports"
    command = ["-m", "tempo.cli.main", "compare", "hostile", "--records", "records"]
    done = mounted(full, *command, after="find reports -type f; df --output=size reports")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "error: No space left on device. What was finished is kept" in done.stderr
    assert done.stdout.split()[-1] == "100", "the small disk was not there"
    assert "reports/" not in done.stdout


@pytest.fixture
def at_most() -> Iterator[object]:
    """Limit the size of files that this process may write; lifted after the test."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_report_too_large_for_the_disk_leaves_the_one_of_before(
    tmp_path: Path, at_most: object
) -> None:
    assert callable(at_most)
    old = {"figures/a.png": b"old figure", "index.html": b"old page"}
    write_together(tmp_path, old)
    at_most(5000)
    with pytest.raises(OSError, match="File too large"):
        write_together(tmp_path, {"figures/a.png": b"new figure", "index.html": b"x" * 9000})
    found = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {tmp_path / name: content for name, content in old.items()}


def test_an_event_that_the_disk_cuts_off_does_not_damage_the_record(
    tmp_path: Path, at_most: object
) -> None:
    assert callable(at_most)
    first, last = (Noted(step=step, topic="data", message="short") for step in (1, 3))
    with EventLog(tmp_path, 1) as log:
        log.append(first)
        at_most((tmp_path / "events.jsonl").stat().st_size + 200)
        with pytest.raises(OSError, match="No space left on device"):
            log.append(Noted(step=2, topic="data", message="long" * 200))
        log.append(last)
    assert [each.event for each in read_events(tmp_path)] == [first, last]


@pytest.fixture
def zombie() -> Iterator[Owner]:
    """A child that ended and that nobody waited for."""
    pid = os.fork()
    if pid == 0:
        time.sleep(0.3)
        os._exit(0)
    me = this_process()
    started = port._started(pid)
    assert started is not None
    owner = Owner(host=me.host, pid=pid, started=started, space=me.space)
    assert not is_dead(owner)
    while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.05)
    yield owner
    os.waitpid(pid, 0)


def test_a_worker_that_is_a_zombie_is_dead_to_status_and_stop(
    study: Path, call: Call, zombie: Owner
) -> None:
    assert is_dead(zombie)
    store = Store(study / "records")
    run = store.load_plan("hostile", None).distinct_runs[0]
    with closing(open_ledger(None, store.root)) as ledger:
        assert ledger.claim(run.run_id, zombie, 60.0)
    for command in ("status", "stop"):
        done = call(command, "hostile", "--records", str(store.root))
        assert done.code == 0 and "stopping" not in done.out
    assert memory_of([zombie.pid]) in ({}, {zombie.pid: 0.0})


@pytest.mark.parametrize("kind", [psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied])
def test_a_process_that_ends_while_status_looks_at_it_is_passed_over(
    kind: type[psutil.Error], study: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(study / "records")
    run = store.load_plan("hostile", None).distinct_runs[0]
    looked = []

    def ended(process: psutil.Process) -> None:
        looked.append(process.pid)
        raise kind(process.pid)

    with closing(open_ledger(None, store.root)) as ledger:
        assert ledger.claim(run.run_id, this_process(), 60.0)
    monkeypatch.setattr(psutil.Process, "memory_info", ended)
    assert call("status", "hostile", "--records", str(store.root)).code == 0
    assert looked == [os.getpid()]
    assert call("stop", "hostile", "--records", str(store.root)).code == 0


def test_a_process_that_is_hidden_from_this_user_is_not_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me = this_process()
    gone = Owner(host=me.host, pid=2**22 + 1, started=1.0, space=me.space)
    assert is_dead(gone)

    def refuse(pid: int, number: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refuse)
    assert not is_dead(gone)


@pytest.mark.parametrize("kind", [psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied])
def test_a_race_with_a_process_that_escapes_is_a_sentence(
    kind: type[psutil.Error], study: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def race(*ignored: object) -> None:
        raise kind(4711)

    monkeypatch.setattr("tempo.cli.status.study_status", race)
    done = call("status", "hostile", "--records", str(study / "records"))
    assert done.code == 2
    assert done.err.startswith("error: a process ended, or hid itself, while it was looked at (")
    assert "4711" in done.err


def test_no_folder_for_temporary_files_is_a_sentence(
    study: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python words it that finds none."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/none"])
    with pytest.raises(FileNotFoundError, match=NO_TEMPORARY) as caught:
        tempfile.gettempdir()
    said = lacking_on_machine(caught.value)
    assert said is not None and "set TMPDIR to a folder" in said
    monkeypatch.setattr("tempo.report.document.write_report", lambda *ignored: tempfile.mkdtemp())
    done = call("compare", "hostile", "--records", str(study / "records"))
    assert done.code == 2
    assert done.err.startswith("error: no folder for temporary files can be written: set TMPDIR")


def test_a_check_that_is_killed_is_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A system short of memory ends the process that looks at the machine, without a word."""
    killed = (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    monkeypatch.setattr("tempo.launch.launchers.questions.WORKER", killed)
    monkeypatch.setenv(WORKER_START, "spawn")
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(f"study: tiny\n{TINY}")
    assert main(["run", "tiny.yaml", "--mlflow", "off"]) == 2
    said = capsys.readouterr().err
    assert "ended by SIGKILL" in said and "nothing was begun" in said
    assert "crashed" not in said
