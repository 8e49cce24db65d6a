"""How near to the top of a planted surface each sampler comes, at equal trials; no training.

    python benchmarks/search_regret.py
    python benchmarks/search_regret.py --samplers tpe,gp,random --trials 40

The surface has a bowl whose place depends on another factor, an interaction of levels under a
condition, and noise as between seeds. Regret is measured on the true surface, at the trial that
looked best. Printed: median and quartiles over seeds, and the ratio of medians to random search.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.tuning import simulate


def regret(sampler: str, seed: int, trials: int) -> float:
    """One search from nothing to its budget."""
    options = [f"search.sampler={sampler}", f"search.seed={seed}", "search.race=null"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loaded = simulate.load(folder, [*options, f"search.budget.trials={trials}"])
        with simulate.open_search(loaded, folder / "records") as search:
            done = simulate.work(search, simulate.Runs(search.store))
    best = max(done, key=lambda trial: trial.done[0][0])
    return simulate.TOP - simulate.surface(best.params)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--samplers", default="random,tpe,cmaes,qmc")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=30)
    options = parser.parse_args()
    # Nothing here survives a power cut; waiting for the disk would be most of the time.
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    names = options.samplers.split(",")
    print(f"{options.trials} trials, {options.seeds} seeds; regret in dB")
    print(f"{'sampler':10} {'median':>8} {'quartiles':>16} {'ratio':>7} {'s':>6}")
    reference: float | None = None
    for name in names:
        begun = time.perf_counter()
        found = [regret(name, seed, options.trials) for seed in range(options.seeds)]
        low, middle, high = np.percentile(found, (25, 50, 75))
        reference = middle if name == "random" else reference
        ratio = f"{middle / reference:7.2f}" if reference else "      -"
        spent = time.perf_counter() - begun
        print(
            f"{name:10} {middle:8.3f} {f'{low:.3f} .. {high:.3f}':>16} {ratio} {spent:6.0f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
