"""From a plan to the pool that carries it out: checks, slots, workers, costs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from tempo.cli.live import preparing
from tempo.cli.preflight import Checked, check
from tempo.core.records import Plan, PlannedRun
from tempo.launch.cost import works_of
from tempo.launch.local import LocalLauncher
from tempo.launch.pool import Pool
from tempo.launch.processes import TEMPO, ForkServer
from tempo.ledger.open import open_ledger
from tempo.records.layout import Store
from tempo.records.prices import Prices
from tempo.records.reuse import look

PRELOAD = ("tempo.train.worker", "torch._dynamo")
"""What every worker imports, loaded once."""


def open_pool(
    plan: Plan,
    store: Store,
    options: argparse.Namespace,
    console: Console,
    wanted: Callable[[PlannedRun], bool] = lambda run: True,
) -> Pool:
    """A pool of a plan's `wanted` runs, once the machine and every variant were checked."""
    from tempo.cli.main import main

    todo = {
        run.variant
        for run in plan.runs
        if wanted(run)
        and not look(store.run_dir(run.run_id)).reusable(stale_too=options.reuse_stale)
    }
    checked = Checked(({},), {})
    server = ForkServer(main, PRELOAD)
    if todo:
        server.warm()
        checked = _checked(plan, todo, options.cache, console)
    slots = _limit(checked.slots, options.slots or plan.spec["runtime"]["slots"], options.ddp)
    pool = Pool(
        store,
        LocalLauncher(slots, server),
        open_ledger(None, store.root),
        command=lambda folder: worker_argv(folder, options),
        fail_fast=options.fail_fast,
        reuse_stale=options.reuse_stale,
    )
    works = works_of(plan, Prices(store.root), weights=checked.weights)
    pool.add(work for work in works if wanted(work.run))
    return pool


def _checked(plan: Plan, todo: Iterable[str], cache: Path, console: Console) -> Checked:
    text = f"{plan.study}: {_size(plan)}. Checking before anything is trained ..."
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    with preparing(console) as progress:
        return check(plan, sorted(todo), cache, progress)


def _size(plan: Plan) -> str:
    seeds = len({run.seed for run in plan.runs} - {None})
    variants = sum(variant.role != "reference" for variant in plan.variants)
    return f"{variants} variants x {seeds} seeds, {len(plan.distinct_runs)} runs with references"


def _limit(
    slots: Sequence[Mapping[str, str]], wanted: int | None, processes: int
) -> Sequence[Mapping[str, str]]:
    """One slot for each run side by side: `processes` devices each, at most `wanted` runs.

    More runs than there are devices, when asked for, share the devices in turn.
    """
    if processes > 1:
        groups = [slots[i : i + processes] for i in range(0, len(slots), processes)]
        slots = [_together(group) for group in groups if len(group) == processes] or [
            _together(slots)
        ]
    return slots if wanted is None else [slots[n % len(slots)] for n in range(wanted)]


def _together(slots: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """The environment of one run on the devices of several slots."""
    return {name: ",".join(slot[name] for slot in slots) for name in slots[0]}


def worker_argv(folder: Path, options: argparse.Namespace) -> list[str]:
    """What every launcher executes for a run."""
    argv = [*TEMPO, "worker", str(folder), "--cache", str(options.cache), "--with-parent"]
    argv += ["--reuse-stale"] if options.reuse_stale else []
    return [*argv, "--ddp", str(options.ddp)] if options.ddp > 1 else argv
