"""A study on a real Slurm that is disturbed in every way a cluster knows."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from tempo.core.errors import RecordError
from tempo.core.records import RunStatus
from tempo.ledger.open import open_ledger
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord, read_run

from .slurm_cluster import Cluster, wait_until

ROOT = Path(__file__).parents[2]
PATIENCE = 400.0
STEPS = 120

# While the file `slow` stands beside the plug-in, a step takes a quarter of a second more: a run
# found in the first half of its steps is still at work when it is disturbed, however busy this host
# is.
LOSS = """
import time
from pathlib import Path
from typing import Literal

from torch import nn

from tempo.plugins import Options, register


class Braked(Options):
    kind: Literal["braked"] = "braked"


class BrakedLoss(nn.Module):
    def __init__(self, options):
        super().__init__()

    def forward(self, prediction, target):
        if Path(__file__).with_name("slow").exists():
            time.sleep(0.25)
        return (prediction - target).abs().mean((1, 2, 3))


register("loss", Braked, BrakedLoss)
"""

STUDY = f"""
study: disturbed
plugins: [./braked.py]
arch: {{base_channels: 4, blocks: [1, 1, 1, 1]}}
data:
  kind: procedural
  size: [40, 40]
  motion: [1, 2]
  train_clips: 16
  val_clips: 4
  test_clips: 6
recipe:
  {{lr: 1e-3, warmup: 2, batch: 2, crop: 24, budget: {{steps: {STEPS}}}, loss: braked}}
evaluation: {{val_every: 40, gallery: 1}}
runtime: {{device: cpu, checkpoint_every: 10, log_every: 5}}
factors:
  rate: {{path: recipe.lr, levels: {{a: 1e-3, b: 2e-3, c: 3e-3, d: 4e-3, e: 5e-3}}}}
design: [{{kind: factorial, factors: [rate]}}]
baseline: rate=a
seeds: 2
resources: {{cpus: 2}}
"""

SITE = """
mem: 1G
time: 30:00
poll: 0.5
notice: 10
"""


@dataclass
class Place:
    """A folder with the study in it."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "study.yaml").write_text(STUDY)
        (self.folder / "braked.py").write_text(LOSS)
        (self.folder / "config" / "tempo").mkdir(parents=True)
        (self.folder / "config" / "tempo" / "slurm.yaml").write_text(SITE)

    @property
    def ledger(self) -> str:
        return f"sqlite:///{self.folder / 'ledger.db'}"

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Runs that do not end by themselves before they are disturbed."""
        (self.folder / "slow").touch()
        try:
            yield
        finally:
            (self.folder / "slow").unlink()

    @contextmanager
    def running(self, *options: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
        """The study's command, while it works."""
        argv = [sys.executable, str(ROOT / "run_experiment.py"), "study.yaml", "--mlflow", "off"]
        more = {
            "PYTHONPATH": str(ROOT),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "TEMPO_LEDGER": self.ledger,
        }
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                [*argv, *options],
                cwd=self.folder,
                env={**os.environ, **more, **env},
                stdout=output,
                stderr=output,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def records(self) -> dict[str, RunRecord]:
        """The runs that were begun, by their title."""
        store = Store(self.folder / "records")
        try:
            runs = store.load_plan("disturbed").distinct_runs
        except RecordError:
            return {}
        begun = [run for run in runs if (store.run_dir(run.run_id) / "run.json").is_file()]
        return {run.title: read_run(store.run_dir(run.run_id)) for run in begun}

    def results(self) -> dict[str, Any]:
        """All that must not depend on what happened on the way, bit by bit."""
        out = {}
        for title, record in self.records().items():
            assert record.test is not None, title
            table = pd.read_parquet(record.folder / record.test.table)
            curve = [(event.step, dict(event.values)) for event in record.validations]
            losses = [(event.step, event.values["loss"]) for event in record.train]
            out[title] = (dict(record.test.values), table.to_dict(), curve, losses)
        return out


@dataclass
class Job:
    """A task of an array that goes on, and its run."""

    task: str
    node: str
    record: RunRecord


def going_on(cluster: Cluster, place: Place, node: str = "") -> list[Job]:
    """Running jobs whose runs have trained a few steps, of a node or of any."""
    by_id = {record.run_id: record for record in place.records().values()}
    out = []
    for line in cluster.command("squeue", "-h", "-t", "RUNNING", "-o", "%i %N %k").splitlines():
        task, where, comment = line.split()
        folder = place.folder / "records" / "slurm" / comment.removeprefix("tempo:")
        if not (folder / "array.json").is_file():
            continue
        keys = json.loads((folder / "array.json").read_text())["keys"]
        record = by_id.get(keys[int(task.partition("_")[2])])
        trained = record is not None and record.attempts and 0 < record.step < STEPS // 2
        if record is not None and trained and node in {"", where}:
            out.append(Job(task, where, record))
    return out


def wait_for(condition: Callable[[], Any], what: str, place: Place) -> Any:
    """What `condition` gives, once that is something."""
    found: list[Any] = []

    def look() -> bool:
        found[:] = [condition()]
        return bool(found[0])

    try:
        wait_until(look, what, PATIENCE)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{place.output}") from None
    return found[0]


def tried_again(record: RunRecord) -> bool:
    """Whether a run was tried again since it was read."""
    return len(read_run(record.folder).attempts) > len(record.attempts)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_disturbed_study_ends_as_an_undisturbed_one_and_trains_nothing_twice(
    cluster: Cluster, tmp_path: Path
) -> None:
    place, calm = Place(tmp_path / "cluster"), Place(tmp_path / "local")
    began = time.monotonic()
    with place.running("--launcher", "slurm", "--wait") as driver:
        disturbed = disturb(cluster, place)
        assert driver.wait(PATIENCE) == 0, place.output
    took = time.monotonic() - began
    print(f"the disturbed study took {took:.0f} s")
    with calm.running("--slots", "2") as driver:
        assert driver.wait(PATIENCE) == 0, calm.output

    records = place.records()
    assert len(records) == 12
    assert {record.status for record in records.values()} == {RunStatus.COMPLETE}
    assert place.results() == calm.results()
    for how, record in disturbed.items():
        assert tried_again(record), f"{record.run_id} was not {how}"
    check_spans(place)
    assert cluster.command("squeue", "-h", "-o", "%i") == ""


def disturb(cluster: Cluster, place: Place) -> dict[str, RunRecord]:
    """Pre-empt, cancel, freeze a node's daemon, kill a node; the runs before each was hit."""
    hit = {}
    with place.slow():
        job = wait_for(lambda: going_on(cluster, place, "node1"), "a run on node1", place)[0]
        hit["pre-empted"] = job.record
        urgent = ("-p", "high", "-w", "node1", "--exclusive", "-o", "/dev/null")
        asked = cluster.command("sbatch", "--parsable", *urgent, "--wrap", "sleep 1").strip()
        job = wait_for(lambda: going_on(cluster, place, "node2"), "a run on node2", place)[0]
        hit["cancelled"] = job.record
        cluster.command("scancel", job.task)

        # The urgent job has node1 to itself: what runs there afterwards does not leave for it.
        states = ("squeue", "-h", "-t", "PENDING,RUNNING", "-o", "%i")
        wait_for(
            lambda: asked not in cluster.command(*states).split(), "the urgent job to end", place
        )
        job = wait_for(lambda: going_on(cluster, place, "node1"), "a run on node1", place)[0]
        hit["killed"] = killed = job.record
        frozen = wait_for(
            lambda: [
                job.record
                for job in going_on(cluster, place, "node2")
                if job.record.run_id != killed.run_id
            ],
            "a run on node2",
            place,
        )[0]
        # However fast this host is, the run goes on when Slurm has begun it once more.
        worker = writer_of(frozen.folder / "attempts" / f"{len(frozen.attempts)}.log")
        worker.suspend()
        cluster.signal_daemon("node2", signal.SIGSTOP)
        cluster.kill_node("node1")
        cluster.start_node("node1")
    try:
        again = frozen.folder / "attempts" / f"{len(frozen.attempts) + 1}.log"
        wait_for(again.exists, "Slurm to begin the frozen node's run elsewhere", place)
        worker.resume()
        wait_for(lambda: tried_again(killed), "the killed node's run to go on", place)
    finally:
        cluster.signal_daemon("node2", signal.SIGCONT)
    return hit


def writer_of(log: Path) -> psutil.Process:
    """The process whose output goes to a log."""
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{process.pid}/fd/1").readlink() == log:
                return process
    raise AssertionError(f"nobody writes to {log}")


def check_spans(place: Place) -> None:
    """What the claims of each run published begins at its start, ends at its end, and neither
    overlaps nor leaves a gap."""
    ledger = open_ledger(place.ledger, place.folder)
    for title, record in place.records().items():
        if record.spec.seed is None:
            continue
        spans = sorted(ledger.spans(record.run_id), key=lambda span: span.token)
        at = 0
        for span in spans:
            assert span.first == at, f"{title}: {spans}"
            assert span.last is not None and span.last >= span.first, f"{title}: {spans}"
            at = span.last
        assert at == STEPS, f"{title}: {spans}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_on_two_nodes_is_preempted_and_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    place = Place(tmp_path)
    over = {
        "design": "[]",
        "factors": "{}",
        "variants": "{only: {}}",
        "baseline": "only",
        "references": "[]",
        "seeds": "1",
        "recipe.batch": "4",
        "resources.nodes": "2",
    }
    sets = [word for key, value in over.items() for word in ("--set", f"{key}={value}")]
    # Both nodes are this host.
    spread = ("--launcher", "slurm", "--wait", "--ddp", "2", *sets)
    with place.running(*spread, GLOO_SOCKET_IFNAME="lo") as driver:
        with place.slow():
            job = wait_for(lambda: going_on(cluster, place), "the run to begin", place)[0]
            urgent = ("-p", "high", "-w", "node2", "--exclusive", "-o", "/dev/null")
            cluster.command("sbatch", "--parsable", *urgent, "--wrap", "sleep 1")
            wait_for(lambda: tried_again(job.record), "the run to go on", place)
        assert driver.wait(PATIENCE) == 0, place.output
    record = read_run(job.record.folder)
    assert [each.environment["world_size"] for each in record.attempts] == [4, 4]
    first, second = record.attempts
    assert first.finish is not None and first.finish.status == "stopped"
    assert second.resumed_step == first.finish.step > 0
    assert {path.name for path in (record.folder / "attempts").iterdir()} == {"1.log", "2.log"}
    check_spans(place)
