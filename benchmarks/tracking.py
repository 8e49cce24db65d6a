"""What the MLflow mirror costs. A point is one metric key at one step.

    python benchmarks/tracking.py [--points 200000] [--seconds 60]

1. CPU time of the sender a point, and the time from the end of training to the last point in a
   new sqlite store. Bars: 0.4 ms a point, 200,000 points in 60 s.
2. The step time of a run that logs every 20 steps, with the mirror at work in the parent process
   and without, in alternating windows so that a drifting machine slows both alike. Bar: 0.5 %.
   As many runs train as there are cores, so that the mirror has to take its time from them.
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
from pathlib import Path

from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.records.events import AttemptStarted, CheckpointSaved, Finished, Trained
from tempo.records.layout import Store
from tempo.records.log import EventLog
from tempo.track.mlflow_store import MlflowMirror

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
WINDOW = 5.0
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


def train(root: Path, run_id: str, seconds: float) -> None:
    """A worker: steps of pure CPU work, reported as training reports them."""
    import numpy as np

    plan = make_plan(64)
    run = next(run for run in plan.runs if run.run_id == run_id)
    log = start_run(Store(root), plan, run, 10**6)
    rng = np.random.default_rng(0)
    image, weights = rng.random((64, 64, 48)), rng.random((48, 48))
    times, step, end = [], 0, time.time() + seconds
    while time.time() < end:
        begun = time.perf_counter()
        for _ in range(16):
            image = np.tanh(image @ weights * 0.01)
        step += 1
        if step % LOG_EVERY == 0:
            report(log, step)
        if step % CHECKPOINT_EVERY == 0:
            log.append(CheckpointSaved(step=step, path="", sha256="", best=False), durable=True)
        times.append((time.time(), time.perf_counter() - begun))
    finish(log, step)
    (root / f"{run_id}.json").write_text(json.dumps(times))


def measure_step_time(seconds: float) -> dict[str, float]:
    """Step times in windows with the mirror at work against the windows without."""
    runs = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store, plan = Store(root), make_plan(runs)
        mirror = MlflowMirror(store)
        mirror.open(plan, {})
        mirror.sync()
        command = [sys.executable, __file__, "--train", folder, "--seconds", str(seconds)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        workers = [
            subprocess.Popen([*command, "--run", run.run_id], env=environment) for run in plan.runs
        ]
        cpu = time.process_time()
        windows = _alternate(mirror, seconds)
        cpu = time.process_time() - cpu
        for worker in workers:
            worker.wait()
        times = [
            pair
            for run in plan.runs
            for pair in json.loads((root / f"{run.run_id}.json").read_text())
        ]
    return _compare(windows, times) | {"runs": runs, "cpu_share": cpu / seconds / runs}


def _alternate(mirror: MlflowMirror, seconds: float) -> list[tuple[float, float, bool]]:
    windows, end, on = [], time.time() + seconds, True
    while time.time() + WINDOW < end:
        begun = time.time()
        if on:
            mirror.start()
        time.sleep(WINDOW)
        if on:
            mirror.stop()
        windows.append((begun, time.time(), on))
        on = not on
    return windows


def _compare(
    windows: Sequence[tuple[float, float, bool]], times: Sequence[tuple[float, float]]
) -> dict[str, float]:
    means: dict[bool, list[float]] = {True: [], False: []}
    for begun, ended, on in windows[1:]:
        inside = [took for when, took in times if begun + 0.2 < when < ended]
        means[on].append(statistics.fmean(inside))
    pairs = list(zip(means[True], means[False], strict=False))
    ratios = [with_ / without - 1 for with_, without in pairs]
    return {
        "step_ms": 1000 * statistics.median(means[False]),
        "added": statistics.median(ratios),
        "noise": statistics.stdev(ratios) / len(ratios) ** 0.5,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--points", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.run, options.seconds)
        return
    backlog = measure_backlog(options.points)
    print(
        f"{backlog['points']:,.0f} points to sqlite: {backlog['seconds']:.1f} s (bar 60 for "
        f"200,000), {backlog['cpu_ms_per_point']:.3f} ms of CPU a point (bar 0.4)"
    )
    step = measure_step_time(options.seconds)
    print(
        f"step time with the mirror: {step['added']:+.2%} ± {step['noise']:.2%} of "
        f"{step['step_ms']:.1f} ms (bar 0.5 %), {step['runs']:.0f} runs side by side; "
        f"the mirror's CPU time is {step['cpu_share']:.3%} of theirs"
    )


if __name__ == "__main__":
    main()
