"""Samplers against random search on a planted surface, at equal trials."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from . import simulate

SEEDS, TRIALS = 12, 22


def regret(folder: Path, sampler: str, seed: int) -> float:
    """How far below the top the true value of the trial lies that looked best."""
    options = [f"search.sampler={sampler}", f"search.seed={seed}", "search.race=null"]
    loaded = simulate.load(folder, [*options, f"search.budget.trials={TRIALS}"])
    with simulate.open_search(loaded, folder / f"{sampler}-{seed}") as search:
        trials = simulate.work(search, simulate.Runs(search.store))
    best = max(trials, key=lambda trial: trial.done[0][0])
    return simulate.TOP - simulate.surface(best.params)


def test_tpe_comes_nearer_to_the_top_than_random_search(tmp_path: Path) -> None:
    found = {
        sampler: median(regret(tmp_path, sampler, seed) for seed in range(SEEDS))
        for sampler in ("tpe", "random")
    }
    assert found["tpe"] < 0.9 * found["random"], found
