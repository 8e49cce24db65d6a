"""What bookkeeping costs a search: ask, report and tell for 4 workers on one sqlite database.

    python benchmarks/search_overhead.py

Each worker process asks for trials, reports three validations, tells the result. Everything but
the trials themselves is timed: Optuna's storage, the ledger's leases, the records that are read.
Printed: milliseconds a trial, and the share of a 30 s trial (the bar is 1 %), on the wall clock,
which counts what other processes take, and on the processor's. With Ray installed
the same study through Ray Tune's OptunaSearch, in one process as Ray does it.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tempo.spec.load import load_study
from tests.tuning import simulate

TRIAL_SECONDS = 30.0

Pair = tuple[float, float]
"""Seconds on the wall clock and on the processor."""


class _Untimed(simulate.Runs):
    """Keeps the time that the played workers take apart from the search's own."""

    wall = cpu = 0.0

    def carry_out(self, *arguments: object, **options: object) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        super().carry_out(*arguments, **options)  # type: ignore[arg-type]
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


Queue = multiprocessing.Queue


def worker(path: Path, overrides: list[str], gap: float, out: Queue[Pair]) -> None:
    """One driver; `gap` seconds of play between two trials, as training would leave."""
    loaded = load_study(path, overrides=overrides)
    with simulate.open_search(loaded, path.parent / "records") as search:
        runs = _Untimed(search.store)
        while True:
            wall, cpu = time.perf_counter() - runs.wall, time.process_time() - runs.cpu
            trial = search.ask()
            if trial is None:
                return
            simulate.finish(search, trial, runs)
            spent = time.perf_counter() - runs.wall - wall
            out.put((spent, time.process_time() - runs.cpu - cpu))
            time.sleep(gap)


def tempo(workers: int, trials: int, gap: float) -> np.ndarray:
    """Seconds of bookkeeping of each trial: wall clock and processor, a row a trial."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        storage = f"search.storage=sqlite:///{folder / 'trials.db'}"
        options = [
            storage,
            f"search.budget.trials={trials}",
            "search.pruner={kind: median, startup: 999}",
        ]
        simulate.open_search(simulate.load(folder, options), folder / "records")
        context = multiprocessing.get_context("spawn")
        out = context.Queue()
        several = [
            context.Process(target=worker, args=(folder / "planted.yaml", options, gap, out))
            for _ in range(workers)
        ]
        for each in several:
            each.start()
        found = [out.get(timeout=600) for _ in range(trials)]
        for each in several:
            each.join()
    return np.array(found)


def ray_tune(trials: int) -> np.ndarray:
    """The same through Ray Tune's wrapper of Optuna: suggest, three results, the end."""
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def space(trial: optuna.Trial) -> None:
        trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        trial.suggest_int("warmup", 0, 400, step=50)
        trial.suggest_float("clip", 0.1, 2)
        if trial.suggest_categorical("se", ["on", "off"]) == "on":
            trial.suggest_categorical("dilation", ["off", "pattern", "wide"])

    with tempfile.TemporaryDirectory() as name:
        storage = optuna.storages.RDBStorage(f"sqlite:///{name}/trials.db")
        search = OptunaSearch(space, metric="psnr", mode="max", storage=storage, study_name="ray")
        found = []
        for number in range(trials):
            begun, cpu = time.perf_counter(), time.process_time()
            params = search.suggest(str(number))
            value = simulate.noisy(params, 0)
            for step in simulate.STEPS:
                result = {"training_iteration": step, "psnr": value}
                search.on_trial_result(str(number), result)
            search.on_trial_complete(str(number), {"psnr": value, "training_iteration": 90})
            found.append((time.perf_counter() - begun, time.process_time() - cpu))
    return np.array(found)


def say(name: str, seconds: np.ndarray) -> None:
    """Two lines: what a trial cost on each clock."""
    for clock, found in zip(("wall", "cpu"), seconds.T, strict=True):
        middle, high = np.percentile(found, (50, 95))
        print(
            f"{name:30} {clock:4} {1e3 * middle:7.1f} ms median, {1e3 * high:7.1f} ms p95, "
            f"{100 * found.mean() / TRIAL_SECONDS:5.2f} % of a {TRIAL_SECONDS:g} s trial"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--gap", type=float, default=1.0, help="seconds between a worker's trials")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    say(
        f"tempo, {options.workers} workers, sqlite",
        tempo(options.workers, options.trials, options.gap),
    )
    if importlib.util.find_spec("ray") is None:
        print("ray is not installed: nothing to compare with")
    else:
        say("Ray Tune + Optuna, 1 process", ray_tune(options.trials))
    return 0


if __name__ == "__main__":
    sys.exit(main())
