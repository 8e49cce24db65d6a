"""What the scheduler adds to a run, on two slots, process isolation included.

    python benchmarks/scheduler_overhead.py
    python benchmarks/scheduler_overhead.py --runs 12 --steps 300

The same trainings are carried out directly, one after the other in each of two processes that have
torch loaded, and through the pool, each run in a process of its own. A run's time directly is that
of the call; through the pool it is from the moment its slot is given to it until the slot is free
again. Bars: the median of the differences at most 1 s, and at most 5 % for runs of 30 s.

On a busy machine that difference drowns. What the pool adds is also read from the runs themselves:
from the moment the slot is given to the run's first event, and from its last event until the slot
is free again.

Where hydra-core with hydra-joblib-launcher, or ray[tune], can be imported, they carry out the same
trainings with two at a time, and the times of the whole are compared.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tempo.core.jobs import JobSpec
from tempo.core.records import PlannedRun, RunSpec
from tempo.launch.launchers.local import LocalLauncher
from tempo.launch.launchers.worker_processes import ForkServer
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import RunRequest
from tempo.launch.worker_command import WorkerCommand, call_worker
from tempo.ledger.open import open_ledger
from tempo.records.event_log import read_events
from tempo.records.layout import Store
from tempo.spec.study import RunConfig, identity
from tempo.workflow.execution.driver import POLL_SECONDS
from tempo.workflow.execution.pool_setup import PRELOAD

SLOTS = 2

DIRECT = """
import json, sys, time
from pathlib import Path
from tempo.train.run.run_folder import run
cache, *folders = map(Path, sys.argv[1:])
run(folders.pop(0), cache)
for folder in folders:
    begun = time.perf_counter()
    assert run(folder, cache) == 0
    print(json.dumps(time.perf_counter() - begun), flush=True)
"""
"""Trains the first folder to warm up, then times the others."""

HYDRA = """
import sys
from pathlib import Path
import hydra
from omegaconf import OmegaConf

@hydra.main(version_base=None, config_path=None, config_name="config")
def train(config):
    from tempo.train.run.run_folder import run
    assert run(Path(config.folder), Path(config.cache)) == 0

from hydra.core.config_store import ConfigStore
ConfigStore.instance().store("config", OmegaConf.create({"folder": "", "cache": ""}))
train()
"""

RAY = """
import sys
from pathlib import Path
import ray
from ray import tune
cache, *folders = sys.argv[1:]

def train(config):
    from tempo.train.run.run_folder import run
    assert run(Path(config["folder"]), Path(cache)) == 0

ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
tune.Tuner(
    tune.with_resources(train, {"cpu": 1}),
    param_space={"folder": tune.grid_search(folders)},
    run_config=tune.RunConfig(storage_path=str(Path(cache).parent / "ray"), verbose=0),
).fit()
"""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=200)
    return parser.parse_args()


def specs(count: int, steps: int, first: int) -> list[RunSpec]:
    """Runs that differ in nothing but their seeds."""
    config = RunConfig.model_validate(
        {
            "arch": {"base_channels": 4, "blocks": [1, 1, 1, 1]},
            "data": {
                "kind": "procedural",
                "size": [40, 40],
                "motion": [1.0, 2.0],
                "train_clips": 16,
                "val_clips": 4,
                "test_clips": 4,
            },
            "recipe": {"lr": 1e-3, "warmup": 2, "batch": 2, "crop": 24, "budget": {"steps": steps}},
            "evaluation": {"val_every": max(steps // 2, 1), "gallery": 0},
            "runtime": {"device": "cpu", "checkpoint_every": steps},
        }
    )
    chosen = config.model_dump(mode="json")
    seeds = range(first, first + count)
    return [RunSpec(run_id=identity(config, seed), seed=seed, config=chosen) for seed in seeds]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def direct(store: Store, runs: Sequence[RunSpec], cache: Path) -> list[float]:
    """Seconds of each run, in two processes side by side."""
    folders = [str(store.save_run(spec)) for spec in runs]
    warm, timed = folders[:SLOTS], folders[SLOTS:]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DIRECT, str(cache), warm[slot], *timed[slot::SLOTS]],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for slot in range(SLOTS)
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert not any(process.returncode for process in processes)
    return [json.loads(line) for text in outputs for line in text.splitlines()]


class Timed(LocalLauncher):
    """Notes when a slot is given to a job and when it is free again."""

    def __init__(self, server: ForkServer) -> None:
        super().__init__([{}] * SLOTS, server)
        self.begun: dict[str, float] = {}
        self.took: dict[str, float] = {}
        self.given: dict[str, float] = {}
        self.freed: dict[str, float] = {}

    def submit(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        self.begun |= {job.key: time.perf_counter() for job in jobs}
        self.given |= {job.key: time.time() for job in jobs}
        return super().submit(jobs)

    def forget(self, key: str) -> None:
        self.took[key] = time.perf_counter() - self.begun[key]
        self.freed[key] = time.time()
        super().forget(key)


@dataclass(frozen=True, slots=True)
class Pooled:
    """Seconds of each run, of the whole, and of each run before its first and after its last
    event."""

    took: list[float]
    whole: float
    before: list[float]
    after: list[float]


def pooled(store: Store, runs: Sequence[RunSpec], cache: Path) -> Pooled:
    """Carry the runs out through the pool."""
    server = ForkServer(call_worker, PRELOAD)
    server.warm()
    launcher = Timed(server)
    pool = Pool(
        store,
        launcher,
        open_ledger(None, store.root),
        command=lambda spec: WorkerCommand(folder=store.run_dir(spec.run_id), cache=cache).argv(),
    )
    works = [
        RunRequest(run=PlannedRun(run_id=spec.run_id, variant="v", seed=spec.seed), spec=spec)
        for spec in runs
    ]
    # The first runs wait for the server's imports, as a study's checks do at its start.
    _drive(pool, works[:SLOTS])
    begun = time.perf_counter()
    _drive(pool, works[SLOTS:])
    whole = time.perf_counter() - begun
    pool.close()
    keys = [work.run.run_id for work in works[SLOTS:]]
    times = {key: [each.time for each in read_events(store.run_dir(key))] for key in keys}
    return Pooled(
        took=[launcher.took[key] for key in keys],
        whole=whole,
        before=[times[key][0] - launcher.given[key] for key in keys],
        after=[launcher.freed[key] - times[key][-1] for key in keys],
    )


def _drive(pool: Pool, works: Sequence[RunRequest]) -> None:
    pool.add(works)
    while pool.busy:
        pool.step()
        time.sleep(POLL_SECONDS)


def hydra(store: Store, runs: Sequence[RunSpec], cache: Path) -> float:
    """Seconds of the whole through Hydra's joblib launcher, its start-up included."""
    folders = ",".join(str(store.save_run(spec)) for spec in runs)
    script = store.root / "train_hydra.py"
    script.write_text(HYDRA)
    return _timed(
        [
            *(sys.executable, str(script), "--multirun", "hydra/launcher=joblib"),
            *(f"hydra.launcher.n_jobs={SLOTS}", f"folder={folders}", f"cache={cache}"),
            f"hydra.sweep.dir={store.root / 'hydra'}",
        ]
    )


def ray(store: Store, runs: Sequence[RunSpec], cache: Path) -> float:
    """Seconds of the whole through Ray Tune, its start-up included."""
    folders = [str(store.save_run(spec)) for spec in runs]
    return _timed([sys.executable, "-c", RAY, str(cache), *folders])


def _timed(argv: Sequence[str]) -> float:
    begun = time.perf_counter()
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{argv[1]} failed:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - begun


OTHERS: dict[str, tuple[tuple[str, ...], Callable[[Store, Sequence[RunSpec], Path], float]]] = {
    "Hydra's joblib launcher": (("hydra", "hydra_plugins.hydra_joblib_launcher"), hydra),
    "Ray Tune": (("ray", "ray.tune"), ray),
}


def installed(modules: Sequence[str]) -> bool:
    try:
        return all(importlib.util.find_spec(name) is not None for name in modules)
    except ModuleNotFoundError:
        return False


def main() -> None:
    chosen = options()
    count = chosen.runs + SLOTS
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        store, cache = Store(Path(folder) / "records"), Path(folder) / "cache"
        alone = direct(store, specs(count, chosen.steps, 0), cache)
        through = pooled(store, specs(count, chosen.steps, 1000), cache)
        alone += direct(store, specs(count, chosen.steps, 2000), cache)
        base, pool = statistics.median(alone), statistics.median(through.took)
        ideal = base * chosen.runs / SLOTS
        print(f"{chosen.runs} runs on {SLOTS} slots; load of the machine before: {load:.1f}")
        print(f"directly in one process   median {base:6.2f} s a run")
        print(f"through the pool          median {pool:6.2f} s a run, each in its own process")
        print(f"added                     {pool - base:6.2f} s a run ({(pool / base - 1):.1%})")
        before, after = statistics.median(through.before), statistics.median(through.after)
        print(f"before the first event    {before:6.2f} s, after the last {after:.2f} s a run")
        print(f"whole, over the ideal     {through.whole / ideal:6.2f}   Tempo's pool")
        for number, (name, (modules, carry_out)) in enumerate(OTHERS.items()):
            if not installed(modules):
                print(f"not installed: {' and '.join(modules)} ({name})")
                continue
            runs = specs(chosen.runs, chosen.steps, 3000 + 1000 * number)
            print(
                f"whole, over the ideal     {carry_out(store, runs, cache) / ideal:6.2f}   {name}"
            )


if __name__ == "__main__":
    main()
