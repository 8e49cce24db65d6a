"""What reading records costs as a study grows, and how the cost grows with it.

    python benchmarks/scale.py                          10, 100 and 1,000 runs
    python benchmarks/scale.py --sizes 10,1000,10000 --keep FOLDER --repeat 3

Each cost is that of a whole fresh process: processor seconds of itself and its children, seconds
on the clock, and its peak memory. What is measured: `tempo plan`, `tempo status`, the table of
`compare` and everything that it knows, each cold (the first look at these records) and warm, and
the page; then what a pool spends on adding the runs and on one idle step. Beside them stands the
exponent of growth of the processor seconds between the last two sizes, 1 where ten times the runs
cost ten times as much, after the cost of the smallest study is taken off, which is that of
starting. The smallest study is read once before anything is measured, so that bytecode is there.

The records are written by `tests/record_generator.py` for a spec of two factors, so that every
command takes them for finished runs. `--keep` leaves them there, and finds them there again.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SEEDS = 20
"""Of each variant; fewer in a study that would have fewer than ten variants."""

SPEC = """
study: large
question: What does reading {runs} runs cost?
arch: {{preset: tempo_v2, base_channels: 4, blocks: [1, 1, 1, 1]}}
data: {{kind: procedural, size: [40, 40], train_clips: 16, val_clips: 4, test_clips: 4}}
recipe: {{lr: 1e-3, warmup: 2, batch: 2, crop: 24, budget: {{steps: {steps}}}}}
runtime: {{device: cpu}}
factors:
  lr:
    path: recipe.lr
    levels: {{{rates}}}
  clip:
    path: recipe.grad_clip
    levels: {{{norms}}}
design:
  - {{kind: factorial, factors: [lr, clip]}}
baseline: lr=r0 clip=c0
seeds: {seeds}
"""

WRITE = """
import sys
from pathlib import Path
import tempo
from tempo.records.layout import Store
from tests.record_generator import Arm, Noise, Study, write_records
root, points, clips = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
plan = tempo.load_study(root / "large.yaml", records=root / "records").expanded
count = len(plan.variants)
arms = [
    Arm(
        name=each.name,
        role=each.role,
        gain=-2.0 if each.role == "reference" else place / count,
        environment={"host": "planted", "pid": 1},
        seconds=600 + place,
    )
    for place, each in enumerate(plan.variants)
]
seeds = max(run.seed or 0 for run in plan.runs) + 1
sizes = {"points": points, "clips": clips, "sources": max(clips // 5, 2), "steps": points * 100}
study = Study(arms=arms, seeds=seeds, noise=Noise(source=0.1), **sizes)
write_records(Store(root / "records"), study, plan)
print(len(plan.runs), "runs")
"""

COMMAND = "import sys; from tempo.cli.main import main; raise SystemExit(main(sys.argv[1:]))"
"""`tempo` with the arguments of the process."""

POOL = """
import gc, json, sys, time
from collections.abc import Mapping
from pathlib import Path
import tempo
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_view import run_requests
from tempo.records.layout import Store

class Nothing:
    slots = 2
    def submit(self, jobs): return {}
    def poll(self): return {}
    def attach(self, keys): return {}
    def forget(self, key): pass
    def cancel(self, keys): pass
    def kill(self, keys): pass

root = Path(sys.argv[1])
plan = tempo.load_study(root / "large.yaml", records=root / "empty").expanded
pool = Pool(Store(root / "empty"), Nothing(), command=lambda spec: [])
begun = time.process_time()
pool.add(run_requests(plan))
added = time.process_time() - begun
pool.step()
begun = time.process_time()
for _ in range(20):
    pool.step()
print(json.dumps([added, (time.process_time() - begun) / 20]))
"""
"""Adds the runs to a pool whose slots stay busy, and takes idle steps."""


def commands(root: Path) -> Mapping[str, Sequence[str]]:
    """Return what is measured, by name, as arguments of Python."""
    records, spec = ["--records", str(root / "records")], str(root / "large.yaml")
    tempo, out = ["-c", COMMAND], ["--reports", str(root / "reports")]
    read = {
        "plan": [*tempo, "plan", spec, *records],
        "status": [*tempo, "status", "large", *records],
        "table": [*tempo, "compare", "large", "--no-report", *records],
        "everything": [*tempo, "compare", "large", "--json", *records],
    }
    twice = {f"{name}{how}": read[name] for name in read for how in (COLD, "")}
    return {**twice, "page": [*tempo, "compare", "large", *out, *records]}


COLD = ", cold"
"""How the names of commands end before which everything that is remembered is forgotten."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds of a process and its children, seconds on the clock, and its peak memory
    in bytes."""

    seconds: float
    wall: float
    memory: int

    def __str__(self) -> str:
        return f"{self.seconds:.2f} / {self.wall:.1f} / {self.memory / 2**20:.0f}"


def measure(arguments: Sequence[str]) -> tuple[Cost, str]:
    """Run Python in a process of its own; return its cost and what it printed."""
    with tempfile.TemporaryFile("w+") as out:
        begun = time.perf_counter()
        child = subprocess.Popen([sys.executable, *arguments], stdout=out, env=environment())
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begun
        out.seek(0)
        printed = out.read()
    if status:
        raise SystemExit(f"{' '.join(arguments[2:])} ended with status {status}:\n{printed[-500:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024), printed


def environment() -> dict[str, str]:
    """Return the environment of what is measured, with bytecode as an installed program has it."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    given = {name: each for name, each in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**given, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def records(folder: Path, runs: int, points: int, clips: int) -> Path:
    """Return a folder with the spec of a study and its records, written unless they are there."""
    root = folder / f"{runs}-runs"
    if (root / "written").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    seeds = min(SEEDS, max(runs // 10, 1))
    variants = max(runs // seeds, 1)
    rates = max(each for each in range(1, math.isqrt(variants) + 1) if variants % each == 0)
    levels = {
        "rates": ", ".join(f"r{n}: {1e-3 * (1 + n):g}" for n in range(rates)),
        "norms": ", ".join(f"c{n}: {1 + n}" for n in range(variants // rates)),
    }
    spec = SPEC.format(runs=runs, steps=100 * points, seeds=seeds, **levels)
    (root / "large.yaml").write_text(spec)
    begun = time.perf_counter()
    measure(["-c", WRITE, str(root), str(points), str(clips)])
    (root / "written").touch()
    print(f"wrote {runs:,} runs in {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    return root


def costs(root: Path, repeat: int) -> Iterator[tuple[str, Cost]]:
    """Yield what each command costs, the median of `repeat` tries."""
    for name, arguments in commands(root).items():
        tries = []
        for _ in range(1 if name.endswith(COLD) else repeat):
            if name.endswith(COLD):
                forget(root / "records")
            tries.append(measure(arguments)[0])
        seconds, wall = (
            statistics.median(getattr(each, field) for each in tries)
            for field in ("seconds", "wall")
        )
        yield name, Cost(seconds, wall, max(each.memory for each in tries))
    shutil.rmtree(root / "empty", ignore_errors=True)
    cost, printed = measure(["-c", POOL, str(root)])
    added, idle = (float(each) for each in printed.strip("[]\n").split(","))
    yield "adding to a pool", Cost(added, added, cost.memory)
    yield "an idle step, x 1000", Cost(1000 * idle, 1000 * idle, cost.memory)
    shutil.rmtree(root / "empty", ignore_errors=True)


def forget(folder: Path) -> None:
    """Remove what earlier commands remember of the records, to read them sooner."""
    (folder / "derived.db").unlink(missing_ok=True)


def exponent(sizes: Sequence[int], found: Sequence[float]) -> float | None:
    """Return the power of the number of runs by which a cost grows; None for two sizes or less."""
    if len(sizes) < 3:
        return None
    before, after = (max(each - found[0], 1e-3) for each in found[-2:])
    return math.log(after / before) / math.log(sizes[-1] / sizes[-2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="10,100,1000", help="runs (default: %(default)s)")
    parser.add_argument("--points", type=int, default=200, help="training points of a run")
    parser.add_argument("--clips", type=int, default=500, help="test clips of a run")
    parser.add_argument("--repeat", type=int, default=1, help="tries of each command")
    parser.add_argument("--keep", type=Path, help="folder in which the records stay")
    options = parser.parse_args()
    sizes = [int(each) for each in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).absolute()
        found: dict[str, list[Cost]] = {}
        for arguments in commands(
            records(folder, sizes[0], options.points, options.clips)
        ).values():
            measure(arguments)
        for runs in sizes:
            root = records(folder, runs, options.points, options.clips)
            for name, cost in costs(root, options.repeat):
                found.setdefault(name, []).append(cost)
                print(f"{runs:,}: {name} {cost}", file=sys.stderr)
    heads = "".join(f"{f'{runs:,} runs':>22}" for runs in sizes)
    print(f"{'CPU s / s / MiB':22}{heads}{'exponent':>10}")
    for name, each in found.items():
        cells = "".join(f"{cost!s:>22}" for cost in each)
        power = exponent(sizes, [cost.seconds for cost in each])
        print(f"{name:22}{cells}{'-' if power is None else f'{power:.2f}':>10}")


if __name__ == "__main__":
    main()
