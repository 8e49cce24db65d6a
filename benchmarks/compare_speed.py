"""How long `compare` takes on a large study and on one of a demo's size.

    python benchmarks/compare_speed.py             writes the records to a temporary folder first
    python benchmarks/compare_speed.py --records DIR [--study NAME]

Each line is a fresh Python process, from its start to the printed text: wall-clock and CPU seconds
and peak memory, beside the bar it has to keep.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

GENERATOR = Path(__file__).parents[1] / "tests" / "record_generator.py"

TABLE = """
from rich.console import Console
from tempo.cli.render.results import print_results
print_results(compare(store, plan, Query(detail="table")), Console(width=140))
"""
FULL = """
from tempo.report.formats.writers import WRITERS
from tempo.report.formats.writers import json_text
from tempo.report.tables.results import data, printed
comparison = compare(store, plan)
json_text(comparison)
for name in ("csv", "md", "latex"):
    WRITERS[name](data(comparison) if name == "csv" else printed(comparison))
"""
HEAD = """
import sys
from pathlib import Path
from tempo.comparison.build import compare
from tempo.comparison.query import Query
from tempo.records.layout import Store
store = Store(Path(sys.argv[1]))
plan = store.load_plan(store.studies()[0])
"""


@dataclass(frozen=True, slots=True)
class Cost:
    wall: float
    cpu: float
    memory: int


def measure(program: str, root: Path) -> Cost:
    """Run `program` in a process of its own."""
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-c", HEAD + program, str(root)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the measured process ended with status {status}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(time.perf_counter() - start, cpu, usage.ru_maxrss * 1024)


def generate(root: Path, *, variants: int, seeds: int, points: int, clips: int) -> None:
    """Write the records of a study that never ran to the store at `root`."""
    sizes = {"variants": variants, "seeds": seeds, "points": points, "clips": clips}
    options = [text for name, size in sizes.items() for text in (f"--{name}", str(size))]
    subprocess.run([sys.executable, GENERATOR, root, *options], check=True)


def report(name: str, cost: Cost, bar: float) -> None:
    print(
        f"{name:34}  {cost.wall:6.2f} s wall  {cost.cpu:6.2f} s CPU  "
        f"{cost.memory / 2**20:6.0f} MiB  {cost.wall / bar:5.2f} of the bar of {bar:g} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=Path, help="a store that tests/record_generator.py wrote")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.records
        if root is None:
            root = Path(folder) / "large"
            generate(root, variants=50, seeds=20, points=200, clips=500)
        demo = Path(folder) / "demo"
        generate(demo, variants=5, seeds=2, points=50, clips=96)
        report("1,000 runs, terminal table", measure(TABLE, root), 4.0)
        report("1,000 runs, everything", measure(FULL, root), 15.0)
        report("12 runs, terminal table", measure(TABLE, demo), 5.0)
        report("12 runs, everything", measure(FULL, demo), 5.0)


if __name__ == "__main__":
    main()
