"""What a launcher adds to a run, on this machine: local processes, Slurm and Ray side by side.

    python benchmarks/launcher_overhead.py
    python benchmarks/launcher_overhead.py --jobs 10 --launchers local ray

A private Slurm of two nodes and a private Ray of a head and two nodes are started here, on
loopback, as the tests do. Each launcher carries out jobs that do nothing, one after the other, each
a new interpreter. Two times are taken of each: from `submit` to the job's first line, and from its
last line until `poll`, called ten times a second, says that it ended. What a real run takes beside
that (importing torch, building its network) is the same everywhere and not part of it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tempo.core.jobs import JobSpec, JobState, Launcher, Resources
from tempo.launch.launchers.local import LocalLauncher
from tempo.launch.launchers.ray.launcher import RayLauncher
from tempo.launch.launchers.ray.request import RayPolicy
from tempo.launch.launchers.slurm.launcher import SlurmLauncher
from tempo.launch.launchers.slurm.script import SlurmPolicy
from tests.launch import ray_cluster, slurm_cluster

LOOK = 0.1
"""Seconds between two looks, for every launcher."""

CODE = "import time; print(time.time(), flush=True)"
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one job: before its first line, and after its last."""

    before: float
    after: float


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    former = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def local(folder: Path) -> Iterator[Launcher]:
    yield LocalLauncher([{}])


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[Launcher]:
    with (
        slurm_cluster.running_cluster(folder / "cluster") as cluster,
        environment(**cluster.environment),
    ):
        yield SlurmLauncher(folder / "slurm", SlurmPolicy(study="overhead", poll=LOOK))


@contextlib.contextmanager
def ray(folder: Path) -> Iterator[Launcher]:
    with (
        ray_cluster.running_ray(folder / "r") as cluster,
        cluster.network.entered(),
        environment(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled"),
    ):
        policy = RayPolicy(study="overhead", address=ray_cluster.URL, poll=LOOK)
        yield RayLauncher(folder / "ray", policy)


Start = Callable[[Path], contextlib.AbstractContextManager[Launcher]]

LAUNCHERS: dict[str, tuple[Start, Callable[[], str | None]]] = {
    "local": (local, lambda: None),
    "slurm": (slurm, slurm_cluster.lacking),
    "ray": (ray, ray_cluster.lacking),
}


def timed(launcher: Launcher, folder: Path, key: str) -> Times:
    """Carry out one job that does nothing."""
    log = folder / key / "attempts" / "1.log"
    resources = Resources(cpus=1, mem_mb=200)
    job = JobSpec(key=key, argv=[sys.executable, "-c", CODE], log=log, resources=resources)
    begun = time.time()
    launcher.submit([job])
    while (status := launcher.poll()[key]).state.live:
        if time.time() - begun > PATIENCE:
            raise SystemExit(f"{key} is {status.state} after {PATIENCE:.0f} s")
        time.sleep(LOOK)
    ended = time.time()
    if status.state is not JobState.OK:
        raise SystemExit(f"{key} ended {status}: {log.read_text() if log.is_file() else 'no log'}")
    launcher.forget(key)
    line = float(log.read_text().split()[-1])
    return Times(line - begun, ended - line)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--launchers", nargs="+", choices=LAUNCHERS, default=list(LAUNCHERS))
    return parser.parse_args()


def main() -> None:
    chosen = options()
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{chosen.jobs} jobs after one to warm up; {cores} cores, load before: {load:.1f}")
    print(f"{'':8}{'to the first line':>20}{'after the last':>18}{'together':>12}{'range':>16}")
    for name in chosen.launchers:
        start, lacking = LAUNCHERS[name]
        if reason := lacking():
            print(f"{name:8}  skipped: {reason}")
            continue
        # Short, for the sockets of the clusters.
        with tempfile.TemporaryDirectory(prefix="tempo-") as text, start(Path(text)) as launcher:
            found = [timed(launcher, Path(text), f"x{n}") for n in range(chosen.jobs + 1)][1:]
        whole = [each.before + each.after for each in found]
        before, after = ([getattr(each, side) for each in found] for side in ("before", "after"))
        print(
            f"{name:8}{statistics.median(before):18.2f} s{statistics.median(after):16.2f} s"
            f"{statistics.median(whole):10.2f} s{min(whole):9.2f}-{max(whole):.2f} s"
        )


if __name__ == "__main__":
    main()
