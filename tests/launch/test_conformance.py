"""What every launcher promises, against real processes, a real Slurm and a real Ray."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from tempo.core.jobs import BUSY, RESUMABLE, JobSpec, JobState, JobStatus, Launcher, Resources
from tempo.launch.launchers.catalog import LAUNCHERS, LauncherContext
from tempo.launch.launchers.inline import InlineLauncher
from tempo.launch.launchers.local import LocalLauncher
from tempo.launch.launchers.ray.launcher import RayLauncher
from tempo.launch.launchers.ray.request import RayPolicy
from tempo.launch.launchers.slurm.launcher import SlurmLauncher
from tempo.launch.launchers.slurm.script import SlurmPolicy
from tempo.launch.launchers.torchrun import TorchrunLauncher
from tempo.launch.launchers.worker_processes import ForkServer, spawn
from tempo.launch.worker_command import WORKER

from .slurm_cluster import Cluster, wait_until

PATIENCE = 60.0

CLUSTERS = {"slurm": "cluster", "ray": "ray_cluster"}
"""The fixture that starts what a launcher needs."""

HOSTILE = (
    "a b'\"$(touch pwned)`touch pwned`\n\t\\é*?[!]~#&;|<>{},%j %%a",
    "",
    "--x=%A",
    "-n",
    "$HOME",
    "\udcff",
)
"""Arguments that a shell, sbatch or torchrun would change, did they ever see them as text."""

ENTRY = """
import sys

def run(arguments):
    before = sys.argv
    sys.argv = arguments[1:]
    try:
        exec(compile(arguments[1], "job", "exec"), {"__name__": "job"})
    except SystemExit as end:
        return end.code
    finally:
        sys.argv = before
    return 0
"""
"""A command line that does what `python -c` does, for launchers that call one."""

POLITE = f"""
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: sys.exit({RESUMABLE}))
Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""
"""Leaves in order when asked."""

STUBBORN = """
import os, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, lambda *_: Path(sys.argv[2]).touch())
Path(sys.argv[1]).write_text(str(os.getpid()))
end = time.monotonic() + 60
while time.monotonic() < end:
    time.sleep(0.05)
"""
"""Notes that it was asked to leave, and stays."""


@dataclass
class Bench:
    """A kind of launcher. `make` is another driver's launcher, on the same backend."""

    name: str
    make: Callable[[], Launcher]
    prefix: Sequence[str]
    folder: Path

    def __post_init__(self) -> None:
        self.launcher = self.make()

    def job(self, key: str, code: str, *arguments: str, **env: str) -> JobSpec:
        log = self.folder / "with space" / key / "attempts" / "1.log"
        argv = [*self.prefix, "-c", code, *arguments]
        return JobSpec(key=key, argv=argv, log=log, env=env)

    def submit(self, *jobs: JobSpec) -> Mapping[str, str]:
        return self.launcher.submit(jobs)

    def until(self, key: str, *states: JobState) -> JobStatus:
        wait_until(
            lambda: self.launcher.poll()[key].state in states, f"{key} to be {states}", PATIENCE
        )
        return self.launcher.poll()[key]

    def end(self, key: str) -> JobStatus:
        wait_until(lambda: not self.launcher.poll()[key].state.live, f"{key} to end", PATIENCE)
        return self.launcher.poll()[key]


def make_bench(name: str, folder: Path, entry: Callable[[Sequence[str]], int]) -> Bench:
    slots: list[dict[str, str]] = [{}, {}, {}]
    manner = SlurmPolicy(study="conformance", poll=0.2, notice=10)
    ray = RayPolicy(study="conformance", poll=0.2, notice=10)
    makers: dict[str, Callable[[], Launcher]] = {
        "inline": lambda: InlineLauncher(entry),
        "local": lambda: LocalLauncher(slots, spawn),
        "forked": lambda: LocalLauncher(slots, ForkServer(entry, ["json"])),
        "torchrun": lambda: TorchrunLauncher(slots),
        "slurm": lambda: SlurmLauncher(folder / "sub 'mitted' %j", manner),
        "ray": lambda: RayLauncher(folder / "sub 'mitted' %j é", ray),
    }
    prefix = WORKER if name in {"inline", "forked"} else [sys.executable]
    return Bench(name, makers[name], prefix, folder)


def pid_in(begun: Path) -> int:
    """The process that wrote its number into a file, once it has."""
    wait_until(lambda: begun.is_file() and begun.read_text(), "the job to begin", PATIENCE)
    return int(begun.read_text())


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[str]], int]:
    (tmp_path / "conforming_entry.py").write_text(ENTRY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "conforming_entry", raising=False)
    run: Callable[[Sequence[str]], int] = importlib.import_module("conforming_entry").run
    return run


@pytest.fixture
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, entry: Callable[[Sequence[str]], int]
) -> Iterator[Bench]:
    if request.param in CLUSTERS:
        request.getfixturevalue(CLUSTERS[request.param])
    bench = make_bench(request.param, tmp_path, entry)
    yield bench
    bench.launcher.kill(list(bench.launcher.poll()))


# A torchrun takes seconds to begin: in the quick tests it only shows what it does with arguments.
SLOW_TORCHRUN = pytest.param("torchrun", marks=pytest.mark.slow)
RAY = pytest.param("ray", marks=pytest.mark.slow)
EVERY = pytest.mark.parametrize(
    "bench", ["inline", "local", "forked", "torchrun", "slurm", RAY], indirect=True
)
MOST = pytest.mark.parametrize(
    "bench", ["inline", "local", "forked", SLOW_TORCHRUN, "slurm", RAY], indirect=True
)
BESIDE = pytest.mark.parametrize(
    "bench", ["local", "forked", SLOW_TORCHRUN, "slurm", RAY], indirect=True
)
"""Launchers whose jobs go on beside their driver."""


def test_every_launcher_of_the_catalog_is_tested_here() -> None:
    assert set(LAUNCHERS) == {"inline", "local", "torchrun", "slurm", "ray"}
    setting = LauncherContext(entry=lambda arguments: 0)
    for name, kind in {"inline": InlineLauncher, "torchrun": TorchrunLauncher}.items():
        assert type(LAUNCHERS.get(name)(setting)) is kind


@EVERY
def test_arguments_and_environment_arrive_whole(bench: Bench, tmp_path: Path) -> None:
    told = tmp_path / "told"
    code = (
        "import os, sys\n"
        "with open(sys.argv[-1], 'w') as file:\n"
        "    file.write(ascii(sys.argv[1:-1]) + os.environ['TOLD'])\n"
        "raise SystemExit(3)"
    )
    bench.submit(bench.job("x", code, *HOSTILE, str(told), TOLD="a\n'b'"))
    assert bench.end("x") == JobStatus(state=JobState.FAILED, code=3, where=bench.end("x").where)
    assert told.read_text() == ascii(list(HOSTILE)) + "a\n'b'"
    assert not list(Path.cwd().glob("pwned")) and not list(tmp_path.rglob("pwned"))


@MOST
def test_exit_codes_mean_the_same_everywhere(bench: Bench) -> None:
    codes = {"ok": 0, "bad": 1, "again": RESUMABLE}
    bench.submit(*(bench.job(key, f"raise SystemExit({code})") for key, code in codes.items()))
    ends = {key: bench.end(key) for key in codes}
    assert {key: end.state for key, end in ends.items()} == {
        "ok": JobState.OK,
        "bad": JobState.FAILED,
        "again": JobState.STOPPED,
    }
    assert {key: end.code for key, end in ends.items()} == codes
    bench.launcher.forget("ok")
    assert set(bench.launcher.poll()) == {"bad", "again"}


@MOST
def test_a_run_held_elsewhere_is_neither_done_nor_failed(bench: Bench) -> None:
    bench.submit(bench.job("x", f"raise SystemExit({BUSY})"))
    if bench.name != "slurm":
        assert bench.end("x").state is JobState.BUSY
        return
    # A cluster asks again by itself, and gives its nodes back until then.
    time.sleep(2)
    assert bench.until("x", JobState.PENDING, JobState.RUNNING).state.live


@pytest.mark.parametrize("bench", ["local", "forked", SLOW_TORCHRUN, "slurm", RAY], indirect=True)
def test_output_goes_to_the_log(bench: Bench) -> None:
    job = bench.job("x", "import sys; print('out', flush=True); print('err', file=sys.stderr)")
    bench.submit(job)
    assert bench.end("x").state is JobState.OK
    assert {"out", "err"} <= set(job.log.read_text().split())


@MOST
def test_a_key_is_carried_out_once(bench: Bench, tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    code = "import sys, time; open(sys.argv[1], 'a').write('x'); time.sleep(1)"
    job = bench.job("x", code, str(counted))
    first = bench.submit(job)
    assert bench.submit(job, job) == first
    if bench.name in CLUSTERS:
        assert bench.make().submit([job]) == first, "another driver joins the job in the queue"
    assert bench.end("x").state is JobState.OK
    assert counted.read_text() == "x"


@BESIDE
def test_cancelling_lets_a_job_leave_in_order(bench: Bench, tmp_path: Path) -> None:
    bench.submit(bench.job("x", POLITE, str(tmp_path / "begun")))
    pid_in(tmp_path / "begun")
    assert bench.until("x", JobState.RUNNING).state.live
    bench.launcher.cancel(["x"])
    assert bench.end("x") == JobStatus(
        state=JobState.STOPPED, code=RESUMABLE, where=bench.end("x").where
    )


def test_a_signal_in_this_process_leaves_a_resumable_run(
    tmp_path: Path, entry: Callable[[Sequence[str]], int]
) -> None:
    told: list[str] = []
    launcher = InlineLauncher(entry, lambda: told.append("stopped"))
    code = (
        "import os, signal\n"
        "before = signal.signal(signal.SIGINT, lambda *_: None)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, before)\n"
        f"raise SystemExit({RESUMABLE})"
    )
    launcher.submit([JobSpec(key="x", argv=[*WORKER, "-c", code], log=tmp_path / "x.log")])
    assert launcher.poll()["x"].state is JobState.STOPPED
    assert told == ["stopped"]


def test_an_exception_in_this_process_reaches_whoever_debugs_it(
    tmp_path: Path, entry: Callable[[Sequence[str]], int]
) -> None:
    launcher = InlineLauncher(entry)
    job = JobSpec(key="x", argv=[*WORKER, "-c", "raise KeyError('lost')"], log=tmp_path / "x.log")
    with pytest.raises(KeyError, match="lost"):
        launcher.submit([job])


@BESIDE
def test_killing_ends_a_job_that_does_not_listen(bench: Bench, tmp_path: Path) -> None:
    begun, asked = tmp_path / "begun", tmp_path / "asked"
    bench.submit(bench.job("x", STUBBORN, str(begun), str(asked)))
    # A node's processes have other numbers out here, so theirs are told by what they hold open.
    pid_in(begun)
    bench.until("x", JobState.RUNNING)
    bench.launcher.cancel(["x"])
    wait_until(asked.exists, "the job to be asked", PATIENCE)
    assert bench.launcher.poll()["x"].state.live
    log = str(bench.job("x", "").log)
    assert _writers(log)
    bench.launcher.kill(["x"])
    assert bench.end("x").state is JobState.LOST
    wait_until(lambda: not _writers(log), "the job's processes to be gone", PATIENCE)


def _writers(log: str) -> list[int]:
    """The processes whose output goes to a log."""
    out = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if str(Path(f"/proc/{process.pid}/fd/1").readlink()) == log:
                out.append(process.pid)
    return out


def worker_of(log: Path) -> psutil.Process:
    """The program whose output goes to a log, and not the shell that started it."""
    found = [psutil.Process(pid) for pid in _writers(str(log))]
    return next(each for each in found if each.name() != "sh")


@BESIDE
def test_another_driver_takes_over_what_outlives_the_first(bench: Bench, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    first = bench.submit(bench.job("x", POLITE, str(begun)))
    pid_in(begun)
    later = bench.make()
    found = later.attach(["x", "never submitted"])
    if bench.name not in CLUSTERS:
        assert found == {}, "jobs of this machine leave with their driver"
        return
    assert found == first
    assert later.poll()["x"].state is JobState.RUNNING
    later.cancel(["x"])
    assert bench.end("x").state is JobState.STOPPED
    assert bench.make().attach(["x"]) == {}, "what ended is not taken over"


@pytest.mark.parametrize("bench", ["local", "forked", SLOW_TORCHRUN, RAY], indirect=True)
def test_a_death_is_no_success(bench: Bench, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    job = bench.job("x", POLITE, str(begun))
    bench.submit(job)
    number = pid_in(begun)
    worker_of(job.log).kill() if bench.name == "ray" else psutil.Process(number).kill()
    end = bench.end("x")
    assert end == JobStatus(state=JobState.LOST, code=-9, where=end.where)


@pytest.mark.slow  # Slurm takes ten seconds to miss a node, and makes its jobs wait
def test_a_job_survives_its_node(
    cluster: Cluster, tmp_path: Path, entry: Callable[[Sequence[str]], int]
) -> None:
    bench = make_bench("slurm", tmp_path, entry)
    code = (
        "import os, sys, time\n"
        "open(sys.argv[1], 'a').write(os.environ['SLURMD_NODENAME'] + ' ')\n"
        "time.sleep(0 if os.environ.get('SLURM_RESTART_COUNT') else 60)"
    )
    where = tmp_path / "where"
    bench.submit(bench.job("x", code, str(where)))
    wait_until(lambda: where.is_file() and where.read_text(), "the job to begin", PATIENCE)
    node = where.read_text().split()[0]
    cluster.kill_node(node)
    try:
        assert bench.end("x").state is JobState.OK
        assert len(where.read_text().split()) == 2
    finally:
        cluster.start_node(node)
        cluster.wait_for_nodes("idle", node)


NOTED = f"""
import os, signal, sys
from pathlib import Path
again = "SLURM_RESTART_COUNT" in os.environ
def leave(number, frame):
    Path(sys.argv[1], "left-" + os.environ["SLURMD_NODENAME"]).touch()
    sys.exit({RESUMABLE})
for number in (signal.SIGTERM, signal.SIGUSR2):
    signal.signal(number, leave)
Path(sys.argv[1], ("again-" if again else "begun-") + os.environ["SLURMD_NODENAME"]).touch()
if not again:
    signal.sigtimedwait([], 60)
"""
"""Leaves in order on its first execution, and ends well on the second."""


@pytest.mark.slow
def test_a_job_on_two_nodes_is_preempted_in_order_and_begun_again(
    cluster: Cluster, tmp_path: Path, entry: Callable[[Sequence[str]], int]
) -> None:
    bench = make_bench("slurm", tmp_path, entry)
    job = replace(bench.job("x", NOTED, str(tmp_path)), resources=Resources(nodes=2, mem_mb=100))
    bench.submit(job)
    noted = lambda what: len(list(tmp_path.glob(f"{what}-node?"))) == 2  # noqa: E731
    wait_until(lambda: noted("begun"), "both nodes to begin", PATIENCE)
    urgent = ("-p", "high", "-w", "node2", "--exclusive", "-o", "/dev/null", "--wrap", "true")
    cluster.command("sbatch", *urgent)
    assert bench.end("x") == JobStatus(state=JobState.OK, code=0, where="node[1-2]")
    assert noted("left") and noted("again")
    assert {path.name for path in job.log.parent.iterdir()} == {"1.log", "2.log"}


def test_what_a_cluster_forgot_is_unknown_and_no_success(
    cluster: Cluster, tmp_path: Path, entry: Callable[[Sequence[str]], int]
) -> None:
    bench = make_bench("slurm", tmp_path, entry)
    bench.submit(bench.job("x", "pass"))
    cluster.rebuild()
    assert bench.end("x").state is JobState.UNKNOWN
    assert not JobState.UNKNOWN.live


def test_a_controller_that_is_away_changes_nothing(
    cluster: Cluster, tmp_path: Path, entry: Callable[[Sequence[str]], int]
) -> None:
    told: list[str] = []
    bench = make_bench("slurm", tmp_path, entry)
    begun = tmp_path / "begun"
    bench.submit(bench.job("x", POLITE, str(begun)))
    pid_in(begun)
    assert isinstance(bench.launcher, SlurmLauncher)
    bench.launcher._contact._say = told.append
    bench.until("x", JobState.RUNNING)
    bench.launcher._slurm._pause = 0.1
    cluster.processes["slurmctld"].send_signal(signal.SIGSTOP)
    bench.launcher._slurm._patience = 1.0
    try:
        wait_until(lambda: bench.launcher.poll() and told, "the silence to be noticed", PATIENCE)
        assert bench.launcher.poll()["x"].state is JobState.RUNNING
    finally:
        cluster.processes["slurmctld"].send_signal(signal.SIGCONT)
    bench.launcher._slurm._patience = 30.0
    wait_until(lambda: bench.launcher.poll() and len(told) == 2, "the answer", PATIENCE)
    assert "does not answer" in told[0] and "answers again" in told[1]
    bench.launcher.cancel(["x"])
    assert bench.end("x").state is JobState.STOPPED
