"""From a plan to the pool that carries it out: checks, slots, workers, costs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tempo.cli.launching import (
    QUEUED,
    guard_budget,
    left_to_do,
    make_launcher,
    needs_of,
    needs_of_run,
    worker_argv,
)
from tempo.cli.live import preparing
from tempo.cli.preflight import Checked, check
from tempo.core.errors import MissingError
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.launch.accounting.gpu_sharing import runs_that_fit, share_gpus
from tempo.launch.accounting.gpu_usage import smallest_gpu
from tempo.launch.accounting.resource_needs import Needs
from tempo.launch.launchers.catalog import Setting
from tempo.launch.launchers.worker_processes import ForkServer
from tempo.launch.scheduling.pool import Pool
from tempo.launch.scheduling.run_duration import run_requests
from tempo.ledger.open import open_ledger
from tempo.records.layout import Store, load_run
from tempo.records.prices import Prices

PRELOAD = ("tempo.train.run.run_folder", "torch._dynamo")
"""What every worker imports, loaded once."""

Wanted = Callable[[Store, PlannedRun], bool]
"""Whether a run of the plan is to be carried out."""


def open_pool(
    plan: Plan,
    store: Store,
    options: argparse.Namespace,
    console: Console,
    wanted: Wanted | None = None,
    *,
    begin: bool = True,
    check: bool = True,
) -> Pool:
    """A pool of a plan's runs, of all or of the `wanted` ones, once the machine and every variant
    were checked.

    Without `begin` every variant is checked and the pool stays empty, for runs to come; without
    `check` not even that, because none will come.
    """
    from tempo.cli.main import main

    needs = needs_of(plan, options)
    to_do = left_to_do(plan, store, options) if begin else []
    to_go = [run for run, _ in to_do if not wanted or wanted(store, run)]
    todo = {run.variant for run in (to_go if begin else plan.runs)} if check else set()
    checked = Checked(({},), {})
    server = ForkServer(main, PRELOAD)
    if todo:
        if begin:
            guard_budget(plan, to_go, store, needs)
        if options.launcher == "local":
            server.warm()
        checked = _checked(
            _elsewhere(plan) if options.launcher in QUEUED else plan, todo, options.cache, console
        )
    asked, each = options.slots or plan.spec["runtime"]["slots"], needs.processes.per_node
    setting = Setting(
        entry=main,
        slots=_limit(_shared(plan, store, needs, checked), asked, each),
        start=server,
        say=lambda text: note(console, text),
    )

    def own(spec: RunSpec) -> Needs:
        return needs_of_run(needs, spec.config, options)

    launcher = make_launcher(plan, store, options, needs, setting)
    pool = Pool(
        store,
        launcher,
        open_ledger(None, store.root),
        command=lambda folder: worker_argv(plan, folder, options, own(load_run(folder))),
        resources=lambda spec: own(spec).resources(),
        limit=needs.limits.jobs if launcher.slots is not None else None,
        fail_fast=options.fail_fast,
        reuse_stale=options.reuse_stale,
    )
    works = run_requests(plan, Prices(store.root), checked.device, checked.weights)
    pool.add(work for work in works if begin and (not wanted or wanted(store, work.run)))
    return pool


def _checked(plan: Plan, todo: Iterable[str], cache: Path, console: Console) -> Checked:
    note(console, f"{plan.study}: {_size(plan)}. Checking before anything is trained ...")
    with preparing(console) as progress:
        return check(plan, sorted(todo), cache, progress)


def note(console: Console, text: str) -> None:
    """Say something as it is written: no markup, no line breaks of rich's."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _size(plan: Plan) -> str:
    seeds = len({run.seed for run in plan.runs} - {None})
    variants = sum(variant.role != "reference" for variant in plan.variants)
    return f"{variants} variants x {seeds} seeds, {len(plan.distinct_runs)} runs with references"


def _shared(
    plan: Plan, store: Store, needs: Needs, checked: Checked
) -> Sequence[Mapping[str, str]]:
    """The slots, several on a GPU where the spec lets small runs share one."""
    asked = needs.wanted.runs_per_gpu
    if asked == 1 or needs.processes.per_node > 1:
        return checked.slots
    trained = [each.config for each in plan.variants if each.config["method"] == "network"]
    prices = [Prices(store.root).get(config, checked.device) for config in trained]
    return share_gpus(checked.slots, runs_that_fit(asked, prices, smallest_gpu()))


def _limit(
    slots: Sequence[Mapping[str, str]], wanted: int | None, processes: int
) -> Sequence[Mapping[str, str]]:
    """One slot for each run side by side: `processes` devices each, at most `wanted` runs.

    More runs than there are devices, when asked for, share the devices in turn.

    Raises:
        MissingError: when one run needs more GPUs than there are.
    """
    if processes > 1:
        groups = [slots[i : i + processes] for i in range(0, len(slots), processes)]
        whole = [_together(group) for group in groups if len(group) == processes]
        if not whole and slots[0]:
            raise MissingError(
                f"{processes} processes per run need {processes} GPUs, this machine shows "
                f"{len(slots)}; ask for fewer (--ddp), or train on the CPU "
                "(--set runtime.device=cpu)"
            )
        slots = whole or [_together(slots)]
    return slots if wanted is None else [slots[n % len(slots)] for n in range(wanted)]


def _together(slots: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """The environment of one run on the devices of several slots."""
    return {name: ",".join(slot[name] for slot in slots) for name in slots[0]}


def _elsewhere(plan: Plan) -> Plan:
    """The plan as a login node can rehearse it: without the cluster's GPUs and their precision."""
    return replace(plan, variants=tuple(_on_cpu(variant) for variant in plan.variants))


def _on_cpu(variant: PlannedVariant) -> PlannedVariant:
    config = variant.config
    runtime = {**config["runtime"], "device": "cpu", "compile": "off"}
    recipe = {**config["recipe"], "precision": "fp32"}
    return replace(variant, config={**config, "runtime": runtime, "recipe": recipe})
