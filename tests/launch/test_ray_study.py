"""Studies and single jobs on a real Ray that is disturbed in every way a cluster knows."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tempo.core.jobs import RESUMABLE, JobSpec, JobState, JobStatus, Resources
from tempo.core.records import RunStatus
from tempo.launch.launchers.ray.job_client import RayJobs, Row
from tempo.launch.launchers.ray.launcher import RayLauncher
from tempo.launch.launchers.ray.request import RayPolicy
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord
from tempo.records.search_record import load_search

from .ray_cluster import ADDRESSES, URL, RayCluster, freeze
from .slurm_cluster import wait_until
from .test_conformance import _writers, worker_of
from .test_slurm_study import STEPS, STUDY, Place, check_spans, tried_again, wait_for

pytestmark = pytest.mark.slow
PATIENCE = 240.0
NOTICE = 5


class Bench:
    """One driver of single jobs, with the cluster beside."""

    def __init__(self, folder: Path, **policy: Any) -> None:
        self.folder = folder
        given = {"study": "pitfalls", "poll": 0.2, "notice": NOTICE} | policy
        self.launcher = RayLauncher(folder / "ray", RayPolicy(**given))
        self.ray = RayJobs(URL)

    def job(self, key: str, code: str, *words: str, **resources: Any) -> JobSpec:
        return JobSpec(
            key=key,
            argv=[sys.executable, "-c", code, *words],
            log=self.folder / key / "attempts" / "1.log",
            resources=Resources(**resources),
        )

    def begin(self, key: str, code: str, *words: str, **resources: Any) -> psutil.Process:
        """The process of a job that began."""
        job = self.job(key, code, *words, **resources)
        self.launcher.submit([job])
        wait_until(lambda: self.launcher.poll()[key].state is JobState.RUNNING, key, PATIENCE)
        begun = lambda: any(_is_python(pid) for pid in _writers(str(job.log)))  # noqa: E731
        wait_until(begun, f"{key} to begin", PATIENCE)
        return worker_of(job.log)

    def end(self, key: str) -> JobStatus:
        wait_until(lambda: not self.launcher.poll()[key].state.live, f"{key} to end", PATIENCE)
        return self.launcher.poll()[key]

    def row(self, key: str) -> Row:
        """What Ray says of this bench's job; other tests' jobs have the same key."""
        mine = self.launcher.root
        return next(row for row in self.ray.rows() if row.run == key and (mine / row.name).is_dir())


@pytest.fixture
def bench(ray_cluster: RayCluster, tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def _is_python(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return "python" in psutil.Process(pid).name()
    return False


def gone(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


def test_a_stopped_job_has_the_time_for_its_checkpoint_that_the_site_gives(bench: Bench) -> None:
    code = (
        "import signal, sys, time\n"
        "def leave(*_):\n"
        "    time.sleep(4)\n"  # Ray itself would give three seconds.
        f"    sys.exit({RESUMABLE})\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "time.sleep(60)"
    )
    bench.launcher = RayLauncher(
        bench.folder / "ray", RayPolicy(study="pitfalls", poll=0.2, notice=20)
    )
    bench.begin("x", code)
    time.sleep(0.5)  # For the handler: the log is opened before Python begins.
    bench.launcher.cancel(["x"])
    end = bench.end("x")
    # Ray says STOPPED and forgets the code.
    assert bench.row("x").state == "STOPPED" and bench.row("x").code is None
    assert (end.state, end.code) == (JobState.STOPPED, RESUMABLE)


def test_a_job_whose_supervisor_dies_may_leave_in_order(
    bench: Bench, ray_cluster: RayCluster
) -> None:
    code = (
        "import signal, sys, time\n"
        "from tempo.worker.process_setup import die_with_parent\n"
        "def leave(*_):\n"
        "    time.sleep(3)\n"  # Ray kills the process group within a second.
        "    print('left in order', flush=True)\n"
        f"    sys.exit({RESUMABLE})\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "die_with_parent()\n"
        "print('began', flush=True)\n"
        "time.sleep(60)"
    )
    worker = bench.begin("x", code)
    log = bench.job("x", "").log
    wait_until(lambda: "began" in log.read_text(), "the handler", PATIENCE)
    ray_cluster.supervisor("/x/attempts/1.log").kill()
    end = bench.end("x")
    assert (end.state, end.code) == (JobState.LOST, None), "no code means lost"
    wait_until(lambda: gone(worker), "the worker to leave", PATIENCE)
    assert "left in order" in log.read_text()
    assert "Ray says of job" in log.read_text(), "Ray's reason is kept beside the run"


def test_a_success_that_ray_calls_a_failure_is_one(bench: Bench, ray_cluster: RayCluster) -> None:
    """As after a head was replaced: the job ended well, and Ray could not take note of that."""
    go = bench.folder / "go"
    code = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.05)"
    worker = bench.begin("x", code)
    supervisor = ray_cluster.supervisor("/x/attempts/1.log")
    freeze(supervisor)
    go.touch()
    wait_until(lambda: gone(worker), "the job to end", PATIENCE)
    supervisor.kill()
    end = bench.end("x")
    assert bench.row("x").state == "FAILED"
    assert (end.state, end.code) == (JobState.OK, 0)


@pytest.fixture(scope="module")
def in_vain(shared_ray: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A job that waits for more CPUs than there are, from the first test on."""
    bench = Bench(tmp_path_factory.mktemp("vain"))
    with shared_ray.network.entered():
        bench.launcher.submit([bench.job("vain", "pass", cpus=1000)])
    return bench


def test_a_job_that_waits_is_withdrawn(bench: Bench, in_vain: Bench) -> None:
    ran = bench.folder / "ran"
    bench.launcher.submit([bench.job("waits", f"open({str(ran)!r}, 'w')", cpus=1000)])
    assert bench.launcher.poll()["waits"].state is JobState.PENDING
    bench.launcher.cancel(["waits"])
    assert bench.end("waits").state is JobState.CANCELLED
    assert Bench(bench.folder).launcher.attach(["waits"]) == {}
    assert not ran.exists()


def test_jobs_run_on_nodes_and_share_gpus_and_without_resources_on_the_head(
    bench: Bench,
) -> None:
    code = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES']); time.sleep(2)"
    bench.launcher = RayLauncher(
        bench.folder / "ray", RayPolicy(study="pitfalls", poll=0.2, runs_per_gpu=2)
    )
    jobs = [bench.job(f"x{n}", code, gpus_per_node=1) for n in range(4)]
    bench.launcher.submit(jobs)
    ends = {job.key: bench.end(job.key) for job in jobs}
    assert {end.state for end in ends.values()} == {JobState.OK}
    nodes = {ADDRESSES["node1"], ADDRESSES["node2"]}
    assert {end.where for end in ends.values()} <= nodes
    assert {job.log.read_text().strip() for job in jobs} <= {"0", "1"}
    bench.ray.submit(
        {"entrypoint": "true", "submission_id": "bare", "metadata": {"tempo_job": "bare"}}
    )
    bare = lambda: next(row for row in bench.ray.rows() if row.name == "bare")  # noqa: E731
    wait_until(lambda: bare().state == "SUCCEEDED", "the bare job", PATIENCE)
    assert bare().where == ADDRESSES["head"]


def test_equal_ids_in_quick_succession_are_one_job(bench: Bench) -> None:
    asked = {
        "entrypoint": f"echo x >>{bench.folder}/count",
        "submission_id": "same",
        "metadata": {"tempo_job": "same"},
        "entrypoint_num_cpus": 1,
    }
    bench.ray.submit(asked)
    bench.ray.submit(asked)
    same = lambda: next(row for row in bench.ray.rows() if row.name == "same")  # noqa: E731
    wait_until(lambda: same().state == "SUCCEEDED", "the job", PATIENCE)
    assert (bench.folder / "count").read_text() == "x\n"
    # So each submission of a run has an id of its own, also right after the last one.
    first = bench.launcher.submit([bench.job("x", "pass")])
    bench.end("x")
    bench.launcher.forget("x")
    assert bench.launcher.submit([bench.job("x", "pass")]) != first
    assert bench.end("x").state is JobState.OK


def test_a_job_that_waited_in_vain_is_asked_for_again(
    in_vain: Bench, ray_cluster: RayCluster
) -> None:
    # Ray gives up after RAY_JOB_START_TIMEOUT_SECONDS: that is no failure of the run.
    assert in_vain.end("vain").state is JobState.BUSY
    assert in_vain.row("vain").error == "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"


SITE = """
poll: 0.5
notice: 30
environment: [PYTHONPATH, OMP_NUM_THREADS]
"""


class RayPlace(Place):
    """A folder with the study in it, and with the profile of a Ray cluster."""

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.folder / "config" / "tempo" / "ray.yaml").write_text(SITE)

    def rows(self, state: str = "RUNNING") -> list[Row]:
        """The jobs of this place in a state."""
        known = self.folder / "records" / "ray"
        try:
            listed = RayJobs(URL, pause=0.1).rows()
        except Exception:  # The head is away.
            return []
        return [row for row in listed if row.state == state and (known / row.name).is_dir()]

    def going_on(
        self, node: str = "", but: Sequence[RunRecord] = ()
    ) -> list[tuple[Row, RunRecord]]:
        """Running jobs whose runs have trained a few steps, of a node or of any."""
        by_id = {record.run_id: record for record in self.records().values()}
        passed = {record.run_id for record in but}
        found = []
        for row in self.rows():
            record = by_id.get(row.run)
            if record is None or row.run in passed or not record.attempts:
                continue
            if 0 < record.step < STEPS // 2 and node in {"", row.where}:
                found.append((row, record))
        return found

    def processes(self) -> list[psutil.Process]:
        """Every worker of this place that lives."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            words = " ".join(process.info["cmdline"] or [])
            if "tempo" in words and process.info["status"] != psutil.STATUS_ZOMBIE:
                with contextlib.suppress(psutil.Error, OSError):
                    if Path(process.cwd()) == self.folder:
                        found.append(process)
        return found


LEASE = "8"
"""Seconds of a lease: what is not renewed is taken over after some ten."""


@pytest.mark.timeout(900)
def test_a_disturbed_study_ends_as_an_undisturbed_one_and_trains_nothing_twice(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    place, calm = RayPlace(tmp_path / "cluster"), Place(tmp_path / "local")
    # Two at a time, a node each: a run that was lost goes on before others begin.
    asks = ("--launcher", "ray", "--wait", "--slots", "2", "--set", "resources.cpus=4")
    began = time.monotonic()
    with place.running(*asks, TEMPO_LEASE_SECONDS=LEASE) as driver:
        disturbed = disturb(ray_cluster, place)
        driver.kill()
        driver.wait()
    # Jobs outlive their driver; the next one takes them over, and restarts what is lost meanwhile.
    said = place.output.count("runs complete")
    with place.running(*asks, TEMPO_LEASE_SECONDS=LEASE) as driver:
        follows = lambda: place.output.count("runs complete") > said  # noqa: E731
        wait_for(follows, "the next driver to follow", place)
        restart_head(ray_cluster, place)
        assert driver.wait(700) == 0, place.output
    took = time.monotonic() - began
    print(f"the disturbed study took {took:.0f} s")
    with calm.running("--slots", "2", "--set", "resources.cpus=4") as driver:
        assert driver.wait(700) == 0, calm.output

    records = place.records()
    assert len(records) == 12
    assert {record.status for record in records.values()} == {RunStatus.COMPLETE}
    assert place.results() == calm.results()
    for how, record in disturbed.items():
        assert tried_again(record), f"{record.run_id} was not {how}"
    check_spans(place)
    assert place.rows() == place.rows("PENDING") == []
    wait_until(lambda: not place.processes(), "every process to be gone", PATIENCE)


def disturb(cluster: RayCluster, place: RayPlace) -> dict[str, RunRecord]:
    """Stop a job, freeze a worker whose supervisor dies, kill a node; the runs before each hit."""
    with place.slow():
        row, first = wait_for(place.going_on, "a run", place)[0]
        RayJobs(URL).stop(row.name)

        row, second = wait_for(lambda: place.going_on(but=[first]), "another run", place)[0]
        log = second.folder / "attempts" / "1.log"
        worker = worker_of(log)
        freeze(worker)
        # Ray gives the job up and its place away, while the frozen worker still holds the lease.
        cluster.supervisor(row.name).kill()
        wait_for(lambda: tried_again(second), "the frozen worker's run to go on", place)
        worker.resume()
        wait_until(lambda: gone(worker), "the worker that lost its lease to leave", PATIENCE)

        row, third = wait_for(
            lambda: place.going_on(ADDRESSES["node1"], [first, second]), "a run on node1", place
        )[0]
        cluster.kill("node1")
        cluster.start_node("node1")
    wait_for(lambda: tried_again(first), "the stopped run to go on", place)
    return {"stopped": first, "frozen": second, "killed": third}


def restart_head(cluster: RayCluster, place: RayPlace) -> None:
    """Lose the head, and with it every job that runs, while a study is going on."""
    with place.slow():
        wait_for(place.going_on, "a run", place)
        cluster.restart_head()


LEFT = ("--set", "budget.jobs=1", "--set", "seeds=1", "--set", "recipe.budget.steps=20")


@pytest.mark.timeout(600)
def test_what_was_submitted_and_left_is_tended_to_its_end(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    place = RayPlace(tmp_path)
    with place.running("--launcher", "ray", *LEFT, "--set", "references=[average]") as driver:
        assert driver.wait(300) == 0, place.output
    assert "A job on Ray's head submits again what Ray loses" in " ".join(place.output.split())
    # One job may be in flight at a time: nothing but the tending job can begin the second.
    page = tmp_path / "reports" / "disturbed" / "index.html"
    wait_for(page.is_file, "the report, without any driver here", place)
    records = place.records()
    assert set(records) == {"average", *(f"rate={level} s0" for level in "abcde")}
    assert {record.status for record in records.values()} == {RunStatus.COMPLETE}
    assert {len(record.attempts) for record in records.values()} == {1}
    wait_until(lambda: not place.processes(), "the tending job to end", PATIENCE)


@pytest.mark.timeout(600)
def test_a_search_on_ray(ray_cluster: RayCluster, tmp_path: Path) -> None:
    place = RayPlace(tmp_path)
    (tmp_path / "study.yaml").write_text(
        STUDY.split("factors:")[0].replace(f"steps: {STEPS}", "steps: 20")
        + """
factors:
  lr: {path: recipe.lr, range: {low: 1e-4, high: 1e-1, log: true}}
search:
  budget: {trials: 3}
  sampler: {kind: tpe, startup: 2}
  pruner: none
  confirm: 1
references: []
seeds: 1
resources: {cpus: 2}
"""
    )
    with place.running("--launcher", "ray") as driver:
        assert driver.wait(700) == 0, place.output
    summary = load_search(Store(tmp_path / "records"), "disturbed")
    assert [trial.state for trial in summary.trials] == ["complete"] * 3
    assert summary.over and len(summary.confirmed) == 1
    assert place.rows() == place.rows("PENDING") == []
