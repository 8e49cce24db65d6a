"""What the MLflow mirror costs. A point is one metric key at one step.

    python benchmarks/tracking.py                       about 20 minutes, on a machine at rest
    python benchmarks/tracking.py --part steps --rounds 60
    python benchmarks/tracking.py --part backlog --repeats 5

1. backlog: CPU time of the sender a point, and the time from the end of training to the last point
   in a new sqlite store. Bars: 0.4 ms a point, 200,000 points in 60 s. The median of `--repeats`,
   and their range.
2. steps: the step time of runs that log every 20 steps, while the mirror's process works and while
   it is held (SIGSTOP). As many runs train as there are cores, so that the mirror has to take its
   time from them. Windows with and without come in pairs, in changing order, so that a machine
   that drifts slows both alike; a pair gives one ratio of trimmed means over steps, in wall-clock
   time and in CPU time of the training processes. Bar: 0.5 %, for the median over the pairs.
   A window is as long as the time between two of the mirror's looks, and begins when what was
   logged while it was held is worked off, so each holds the work of its own time.
   The CPU time of the mirror over that of all cores does not depend on noise: where training uses
   the cores fully, the mirror cannot take more from it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.records.events import AttemptStarted, CheckpointSaved, Finished, Trained
from tempo.records.layout import Store
from tempo.records.log import NAME, EventLog
from tempo.track.apart import MirrorProcess
from tempo.track.mlflow_store import INTERVAL, MlflowMirror

MIRROR = (sys.executable, "-m", "tempo.cli.main", "mirror")
KEYS = (
    "loss",
    "loss/charbonnier",
    "lr",
    "grad_norm",
    "clip_rate",
    "samples_per_s",
    "step_ms",
    "data_ms",
)
SETTLE = 0.3
"""Seconds at the start of a window that do not count."""
FEWEST = 5
"""Steps that each run must have in a window for it to count."""
STOP = "stop"
"""The file at which workers stop."""
PIECES = 64
"""Of work in a step, which then takes about 50 ms: what trains a network worth it takes longer."""
LOG_EVERY = 20
CHECKPOINT_EVERY = 100


def make_plan(runs: int) -> Plan:
    config = {"benchmark": "tracking"}
    return Plan(
        study="tracking",
        question="What does the mirror cost?",
        profile=None,
        source="benchmarks/tracking.py",
        spec={},
        spec_hash="benchmark",
        baseline="v",
        variants=(PlannedVariant(name="v", role="baseline", levels={}, config=config),),
        runs=tuple(PlannedRun(run_id=f"r{n}", variant="v", seed=n) for n in range(runs)),
    )


def start_run(store: Store, plan: Plan, run: PlannedRun, steps: int) -> EventLog:
    config = plan.variant(run.variant).config
    log = EventLog(store.save_run(RunSpec(run_id=run.run_id, seed=run.seed, config=config)), 1)
    log.append(AttemptStarted(resumed_step=0, total_steps=steps))
    return log


def report(log: EventLog, step: int) -> None:
    values = {key: 1.0 / (step + place + 1) for place, key in enumerate(KEYS)}
    log.append(Trained(step=step, clips=step, epoch=0.0, values=values))


def finish(log: EventLog, steps: int) -> None:
    log.append(CheckpointSaved(step=steps, path="", sha256="", best=False))
    log.append(
        Finished(status="complete", step=steps, seconds=1, train_seconds=1, peak_memory=2**30)
    )
    log.close()


def measure_backlog(points: int) -> dict[str, float]:
    """All of a study's points at once, as after a server that was down throughout."""
    plan = make_plan(8)
    steps = points // len(plan.runs) // len(KEYS)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for run in plan.runs:
            log = start_run(store, plan, run, steps)
            for step in range(1, steps + 1):
                report(log, step)
            finish(log, steps)
        mirror = MlflowMirror(store)
        mirror.open(make_plan(0), {})
        mirror.sync()
        mirror.open(plan, {})
        wall, cpu = time.monotonic(), time.process_time()
        if not mirror.finish("complete"):
            raise SystemExit(f"the mirror failed: {mirror.problem}")
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    sent = steps * len(plan.runs) * len(KEYS)
    return {"points": sent, "seconds": wall, "cpu_ms_per_point": 1000 * cpu / sent}


def train(root: Path, run_id: str) -> None:
    """A worker: steps of pure CPU work, reported as training reports them, until told to stop."""
    import numpy as np

    plan = make_plan(64)
    run = next(run for run in plan.runs if run.run_id == run_id)
    log = start_run(Store(root), plan, run, 10**6)
    rng = np.random.default_rng(0)
    image, weights = rng.random((64, 64, 48)), rng.random((48, 48))
    times, step = [], 0
    while not (root / STOP).exists():
        begun, busy = time.perf_counter(), time.process_time()
        for _ in range(PIECES):
            image = np.tanh(image @ weights * 0.01)
        step += 1
        if step % LOG_EVERY == 0:
            report(log, step)
        if step % CHECKPOINT_EVERY == 0:
            log.append(CheckpointSaved(step=step, path="", sha256="", best=False), durable=True)
        times.append((time.time(), time.perf_counter() - begun, time.process_time() - busy))
    finish(log, step)
    (root / f"{run_id}.json").write_text(json.dumps(times))


@dataclass(frozen=True, kw_only=True)
class Window:
    """Unix seconds, and whether the mirror worked."""

    begun: float
    ended: float
    on: bool


@dataclass(frozen=True, kw_only=True)
class Added:
    """Shares of the step time that the mirror added, one of each pair of windows."""

    shares: tuple[float, ...]

    def __str__(self) -> str:
        ordered = sorted(self.shares)
        low, high = interval_of_median(ordered)
        return (
            f"{statistics.median(ordered):+.2%} (median of {len(ordered)} pairs; 95 % interval "
            f"{low:+.2%} to {high:+.2%}; range {ordered[0]:+.2%} to {ordered[-1]:+.2%})"
        )


def interval_of_median(ordered: Sequence[float]) -> tuple[float, float]:
    """By ranks, whatever the distribution; the whole range for fewer than six values."""
    reach = 0.98 * len(ordered) ** 0.5
    low = max(0, int(len(ordered) / 2 - reach))
    return ordered[low], ordered[len(ordered) - 1 - low]


def measure_step_time(rounds: int, window: float) -> None:
    """Print what the mirror adds to steps."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store, plan = Store(root), make_plan(cores)
        store.save_plan(plan)
        mirror = MirrorProcess(store, None, MIRROR)
        mirror.open(plan, {"benchmark": "tracking"})
        mirror.start()
        mirror.sync()
        (process,) = (each for each in psutil.Process().children() if "mirror" in each.cmdline())
        command = [sys.executable, __file__, "--train", folder]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        workers = [
            subprocess.Popen([*command, "--run", run.run_id], env=environment) for run in plan.runs
        ]
        wait_for_steps([store.run_dir(run.run_id) / NAME for run in plan.runs])
        time.sleep(window)
        busy, begun = cpu_of(process), time.monotonic()
        windows = alternate(process, rounds, window)
        share = (cpu_of(process) - busy) / (time.monotonic() - begun) / cores
        (root / STOP).touch()
        for worker in workers:
            worker.wait()
        mirror.stop()
        logs = [json.loads((root / f"{run.run_id}.json").read_text()) for run in plan.runs]
    for place, name in ((1, "wall-clock"), (2, "CPU time of training")):
        print(f"added to a step, {name}: {added(windows, logs, place)} (bar 0.5 %)")
    steps = [step[1] for log in logs for step in log]
    print(
        f"steps of {1000 * statistics.median(steps):.1f} ms, {cores} runs side by side; the "
        f"mirror's CPU time is {share:.3%} of that of all cores"
    )


def wait_for_steps(logs: Sequence[Path]) -> None:
    """Until every worker has reported steps."""
    while not all(path.is_file() and '"train"' in path.read_text() for path in logs):
        time.sleep(0.1)


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def alternate(process: psutil.Process, rounds: int, window: float) -> list[Window]:
    """Pairs of windows; every other pair begins without the mirror."""
    windows = []
    try:
        for number in range(rounds):
            for on in (True, False) if number % 2 == 0 else (False, True):
                if on:
                    process.resume()
                    time.sleep(INTERVAL + 1.0)
                else:
                    process.suspend()
                begun = time.time()
                time.sleep(window)
                windows.append(Window(begun=begun, ended=time.time(), on=on))
    finally:
        process.resume()
    return windows


def added(
    windows: Sequence[Window], logs: Sequence[Sequence[Sequence[float]]], place: int
) -> Added:
    """Of each pair: the step time with over that without, mean over the runs, less one. Pairs in
    which a run made hardly a step are left out."""
    shares = []
    for pair in zip(windows[::2], windows[1::2], strict=True):
        with_, without = sorted(pair, key=lambda each: not each.on)
        steps = [(inside(with_, log, place), inside(without, log, place)) for log in logs]
        if min(len(values) for both in steps for values in both) >= FEWEST:
            ratios = [typical(one) / typical(other) for one, other in steps]
            shares.append(statistics.fmean(ratios) - 1)
    if not shares:
        raise SystemExit("no pair of windows holds enough steps: take a longer --window")
    return Added(shares=tuple(shares))


def inside(window: Window, log: Sequence[Sequence[float]], place: int) -> list[float]:
    """What the steps took that began and ended in a window, in order of length."""
    begun = window.begun + SETTLE
    return sorted(
        step[place] for step in log if begun < step[0] - step[1] and step[0] < window.ended
    )


def typical(ordered: Sequence[float]) -> float:
    """The mean without the fastest and the slowest tenth."""
    cut = len(ordered) // 10
    return statistics.fmean(ordered[cut : len(ordered) - cut])


def measure_backlogs(points: int, repeats: int) -> None:
    """Print what it costs to send everything at once."""
    found = [measure_backlog(points) for _ in range(repeats)]
    for name, unit, bar in (("seconds", "s", "60 for 200,000"), ("cpu_ms_per_point", "ms", "0.4")):
        values = sorted(each[name] for each in found)
        print(
            f"{found[0]['points']:,.0f} points to sqlite, {name}: {statistics.median(values):.3f} "
            f"{unit} (median of {repeats}; {values[0]:.3f} to {values[-1]:.3f}; bar {bar})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--part", choices=("all", "backlog", "steps"), default="all")
    parser.add_argument("--points", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=30, help="pairs of windows")
    parser.add_argument("--window", type=float, default=INTERVAL, help="seconds")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.run)
        return
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, load {os.getloadavg()[0]:.2f} before anything was started")
    if options.part != "steps":
        measure_backlogs(options.points, options.repeats)
    if options.part != "backlog":
        measure_step_time(options.rounds, options.window)


if __name__ == "__main__":
    main()
