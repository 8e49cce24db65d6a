"""A study with adaptive seeds, really trained: undisturbed, stopped and continued, by two
invocations, on a cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tempo.core.records import RunStatus
from tempo.records.layout import Store
from tempo.records.run_record import read_run
from tempo.records.seed_log import opened_plan, read_looks
from tests.cli.conftest import TINY

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("adaptive_driver.py")
PATIENCE = 240.0
SPEC = (
    TINY.split("factors:")[0]
    .replace("steps: 60", "steps: 20")
    .replace("val_every: 20", "val_every: 10")
    + """
factors:
  lr: {path: recipe.lr, levels: {a: 1e-3, b: 2e-3, c: 3e-3}}
design: [{kind: factorial, factors: [lr]}]
baseline: lr=a
references: [average]
seeds: {from: 3, to: 5}
resources: {cpus: 2, mem: 1G}
"""
)
SEEDS = {"lr=a": 5, "lr=b": 4, "lr=c": 5, "average": 1}
"""What `adaptive_driver.py` leads to."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(560)]


SMALL = (
    SPEC.replace("b: 2e-3, ", "")
    .replace("to: 5", "to: 4")
    .replace("steps: 20", "steps: 10")
    .replace("val_every: 10", "val_every: 5")
)
"""One undecided contrast, and two stages."""


@dataclass(frozen=True)
class Place:
    """A folder with the study."""

    folder: Path
    spec: str = SPEC

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True, parents=True)
        (self.folder / "tiny.yaml").write_text(self.spec)

    def start(self, *options: str, by: Sequence[str] = (), **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *by, str(DRIVER), "tiny.yaml", *options],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *options: str, by: Sequence[str] = (), **env: str) -> str:
        """What the command printed, which must end well."""
        process = self.start(*options, by=by, **env)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        return said

    @property
    def store(self) -> Store:
        return Store(self.folder / "records")

    def seeds(self) -> dict[str, int]:
        """How many runs of each variant were carried out."""
        counts: dict[str, int] = {}
        for run in self.store.load_plan("tiny").distinct_runs:
            if (self.store.run_dir(run.run_id) / "run.json").is_file():
                counts[run.variant] = counts.get(run.variant, 0) + 1
        return counts

    def looks(self) -> list[tuple[str, tuple[str, ...]]]:
        plan = self.store.load_plan("tiny")
        return [(each.sentence, each.runs) for each in read_looks(self.store, plan)]

    def results(self) -> dict[str, object]:
        """All that must not depend on what happened on the way, bit by bit."""
        out: dict[str, object] = {}
        for run in opened_plan(self.store, self.store.load_plan("tiny")).distinct_runs:
            record = read_run(self.store.run_dir(run.run_id))
            assert record.status is RunStatus.COMPLETE and record.test is not None
            table = pd.read_parquet(record.folder / record.test.table)
            losses = [(event.step, event.values["loss"]) for event in record.train]
            out[run.title] = (dict(record.test.values), table.to_dict(), losses)
        return out


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str]:
    place = Place(tmp_path_factory.mktemp("undisturbed"))
    return place, place.run()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_seeds_are_added_until_contrasts_are_decided(undisturbed: tuple[Place, str]) -> None:
    place, said = undisturbed
    assert place.seeds() == SEEDS
    looks = [line for line in said.splitlines() if line.startswith("Look at")]
    assert looks == [
        "Look at 3 of 5 seeds: 2 go on: 3 runs more.",
        "Look at 4 of 5 seeds: 1 decided (lr=b better), 1 goes on: 2 runs more.",
        "Look at 5 of 5 seeds: 1 decided (lr=b better), 1 undecided with all its seeds.",
    ]
    assert said.splitlines()[-1] == "ending: complete"


def test_status_and_report_know_what_was_not_needed(undisturbed: tuple[Place, str]) -> None:
    place, _ = undisturbed
    argv = [sys.executable, "-m", "tempo.cli.main", "status", "tiny", "--json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(argv, cwd=place.folder, env=env, capture_output=True, text=True)
    states = {
        f"{each['variant']} s{each['seed']}": each for each in json.loads(told.stdout)["runs"]
    }
    assert states["lr=b s4"]["state"] == "not needed"
    assert states["lr=b s4"]["why"] == "decided at 4 seeds"
    assert states["lr=c s4"]["state"] == "complete" and states["lr=c s4"]["why"] is None
    table = pd.read_csv(place.folder / "reports" / "tiny" / "table.csv").set_index("variant")
    assert table["seeds"].to_dict() == SEEDS == table["planned_seeds"].to_dict()
    page = (place.folder / "reports" / "tiny" / "index.html").read_text()
    assert "3 to 5 seeds a variant" in page


def test_a_stopped_study_continues_as_if_undisturbed(
    undisturbed: tuple[Place, str], tmp_path: Path
) -> None:
    """Stopped while the runs of the second look train, and again as soon as it is continued."""
    place = Place(tmp_path)
    process = place.start()
    wait_for((place.store.root / "studies/tiny/seeds/default.jsonl").is_file)
    wait_for(lambda: sum(place.seeds().values()) > 10)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "ending: stopped" in said
    assert len(place.looks()) == 1
    place.run()
    assert place.looks() == undisturbed[0].looks()
    assert place.results() == undisturbed[0].results()


def test_two_invocations_share_the_looks(undisturbed: tuple[Place, str], tmp_path: Path) -> None:
    place = Place(tmp_path)
    both = [place.start(), place.start()]
    for process in both:
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and "ending: complete" in said, said
    assert place.seeds() == SEEDS
    assert place.looks() == undisturbed[0].looks()
    assert place.results() == undisturbed[0].results()
    for run in opened_plan(place.store, place.store.load_plan("tiny")).distinct_runs:
        assert len(read_run(place.store.run_dir(run.run_id)).attempts) == 1


def test_ranks_of_the_users_torchrun_carry_out_the_same_seeds(tmp_path: Path) -> None:
    place = Place(tmp_path, SMALL)
    by = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
    said = place.run(by=[*by, "--nproc-per-node=2"], GLOO_SOCKET_IFNAME="lo")
    assert place.seeds() == {"lr=a": 4, "lr=c": 4, "average": 1}
    assert said.count("Look at 3 of 4 seeds: 1 goes on: 2 runs more.") == 1
    assert said.count("Look at 4 of 4 seeds: 1 undecided with all its seeds.") == 1
    assert "ending: complete" in said and "ending: follower" in said
    assert len(place.results()) == 9


def test_a_mirror_holds_the_runs_that_were_carried_out(tmp_path: Path) -> None:
    place = Place(tmp_path)
    uri = f"sqlite:///{place.folder}/mlflow.db"
    place.run(f"mlflow={uri}")
    script = f"""
import json, mlflow
client = mlflow.MlflowClient("{uri}")
(experiment,) = [e for e in client.search_experiments() if e.name == "tiny"]
runs = client.search_runs([experiment.experiment_id])
print(json.dumps([[run.info.status, "mlflow.parentRunId" in run.data.tags] for run in runs]))
"""
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    runs = json.loads(done.stdout.splitlines()[-1])
    assert {status for status, _ in runs} == {"FINISHED"}
    assert sum(child for _, child in runs) == sum(SEEDS.values())
