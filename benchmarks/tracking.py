"""What the MLflow mirror costs. A point is one metric key at one step.

    python benchmarks/tracking.py                       about 12 minutes, on a machine at rest
    python benchmarks/tracking.py --part steps --rounds 60
    python benchmarks/tracking.py --part backlog --repeats 5

1. backlog: CPU time of the sender a point, and the time from the end of training to the last point
   in a new sqlite store. Bars: 0.4 ms a point, 200,000 points in 60 s. The median of `--repeats`,
   and their range.
2. steps: what the mirror adds to the steps of runs that log every 20 of them. As many runs train
   as there are cores, so that the mirror has to take its time from them. It is asked to look at the
   records about every 10 s, which is how often it does; what the steps of the next two seconds took
   beyond those of the two seconds before and after is the time that it added in those 10 s, in
   wall-clock time and in CPU time of the training processes. Comparing neighbours takes out the
   drift of a shared machine; the same sum around moments at which the mirror sleeps shows what
   noise is left. Bar: 0.5 %, for the median over the looks. The CPU time of the mirror over that of
   all cores is printed beside it.
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
from tempo.records.event_log import NAME, EventLog
from tempo.records.events import AttemptStarted, CheckpointSaved, Finished, Trained
from tempo.records.layout import Store
from tempo.track.mirror_process import MirrorProcess
from tempo.track.mlflow.mlflow_store import INTERVAL, MlflowMirror

MIRROR = (sys.executable, "-m", "tempo.worker", "mirror")
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
PERIOD = INTERVAL - 0.5
"""Seconds between two looks of the mirror, which is asked a little before its own time."""
REACH = 2.0
"""Seconds after a look in which it is over, and of comparison on either side."""
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
class Added:
    """Shares of the step time that were added, one for each moment."""

    shares: tuple[float, ...]

    def __str__(self) -> str:
        ordered = sorted(self.shares)
        low, high = interval_of_median(ordered)
        return (
            f"{statistics.median(ordered):+.2%} (median of {len(ordered)}; 95 % interval "
            f"{low:+.2%} to {high:+.2%}; range {ordered[0]:+.2%} to {ordered[-1]:+.2%})"
        )


def interval_of_median(ordered: Sequence[float]) -> tuple[float, float]:
    """By ranks, whatever the distribution; the whole range for fewer than six values."""
    reach = 0.98 * len(ordered) ** 0.5
    low = max(0, int(len(ordered) / 2 - reach))
    return ordered[low], ordered[len(ordered) - 1 - low]


def measure_step_time(rounds: int) -> None:
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
        time.sleep(PERIOD)
        busy, begun, looks = cpu_of(process), time.monotonic(), []
        for number in range(1, rounds + 1):
            looks.append(time.time())
            mirror.hurry()
            time.sleep(max(0.0, begun + number * PERIOD - time.monotonic()))
        share = (cpu_of(process) - busy) / (time.monotonic() - begun) / cores
        (root / STOP).touch()
        for worker in workers:
            worker.wait()
        mirror.stop()
        logs = [json.loads((root / f"{run.run_id}.json").read_text()) for run in plan.runs]
    asleep = [look + PERIOD / 2 for look in looks[:-1]]
    for place, name in ((1, "wall-clock"), (2, "CPU time of training")):
        print(f"added to a step, {name}: {added(looks[:-1], logs, place)} (bar 0.5 %)")
        print(f"  the same while the mirror sleeps: {added(asleep, logs, place)}")
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


def added(moments: Sequence[float], logs: Sequence[Sequence[Sequence[float]]], place: int) -> Added:
    """Of each moment: the time added to all runs' steps, as a share of the time between looks."""
    return Added(
        shares=tuple(
            statistics.fmean(extra(log, moment, place) for log in logs) / PERIOD
            for moment in moments
        )
    )


def extra(log: Sequence[Sequence[float]], moment: float, place: int) -> float:
    """Seconds that the steps after `moment` took beyond as many of their neighbours."""

    def ended(begin: float, end: float) -> list[float]:
        return [step[place] for step in log if moment + begin < step[0] <= moment + end]

    during = ended(0.0, REACH)
    return sum(during) - len(during) * statistics.fmean(ended(-REACH, 0) + ended(REACH, 2 * REACH))


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
    parser.add_argument("--rounds", type=int, default=60, help="looks of the mirror")
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
        measure_step_time(options.rounds)


if __name__ == "__main__":
    main()
