"""`tempo plan`: what a spec expands to, what it weighs and what it costs, without running it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tempo.cli import options as shared
from tempo.cli.console import make_console
from tempo.cli.plan_costs import Bill
from tempo.cli.plan_counts import architectures, count_all
from tempo.cli.plan_power import power_statement
from tempo.cli.plan_tables import PlanView, print_json, print_tables
from tempo.cli.planning import load, records_of
from tempo.cli.torchrun import add_ddp
from tempo.cli.worker import default_cache
from tempo.core.records import Plan
from tempo.design.expand import expand
from tempo.records.layout import Store
from tempo.records.prices import Prices
from tempo.records.reuse import ReuseStatus, other_studies, reuse_status

EPILOG = """examples:
  tempo plan ablations/se_dilation.yaml
  tempo plan ablations/se_dilation.yaml --profile demo --counts
  tempo plan ablations/se_dilation.yaml --profile demo --price
  tempo plan experiments/tempo_v3.yaml --arch
  tempo plan ablations/se_dilation.yaml --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "List variants and runs of a spec without running anything."
    parser.epilog = EPILOG
    shared.add_spec(parser)
    shared.add_records(parser)
    add_plan_options(parser)
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR")
    parser.add_argument(
        "--slots", type=shared.positive, metavar="N", help="runs side by side (default: devices)"
    )
    add_ddp(parser)
    shared.add_reuse(parser)
    parser.set_defaults(handler=execute)


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """What `tempo plan` and `tempo run --plan` share."""
    parser.add_argument(
        "--counts",
        action="store_true",
        help="with the plan: parameters, MACs and activation memory (imports torch)",
    )
    parser.add_argument(
        "--arch",
        action="store_true",
        help="with the plan: each network stage by stage (imports torch)",
    )
    parser.add_argument(
        "--price",
        action="store_true",
        help="with the plan: train a few steps of every variant that has no price on this device, "
        "and say what the study will take",
    )
    parser.add_argument(
        "--reprice", action="store_true", help="the same, measuring every variant again"
    )
    parser.add_argument("--json", action="store_true", help="with the plan: print it as JSON")


def execute(options: argparse.Namespace) -> int:
    console = make_console()
    if options.price or options.reprice:
        plan, bill = priced(options, make_console(stderr=options.json))
    else:
        loaded = load(options)
        if loaded.spec.search is not None:
            from tempo.cli.search_plan import show_search_plan

            return show_search_plan(loaded, Store(options.records), options)
        plan, bill = expand(loaded, records_of(loaded.spec, options)), None
    return _show(plan, Store(options.records), options, console, bill)


def priced(options: argparse.Namespace, console: Console) -> tuple[Plan, Bill]:
    """The plan with the price of every variant, measured where there is none.

    Variants are priced first as far as they are known without a price; what a plan decides by
    prices (equal GPU-hours, equal time of a step) is measured as it is decided.
    """
    from tempo.cli.pricing import price_plan, ready

    loaded = load(options)
    records = records_of(loaded.spec, options)
    first = expand(loaded, replace(records, pricing=True))
    prices = Prices(records.store.root)
    with ready(first, prices, records.cache, records.world, console) as (checked, calibrator):
        failed = price_plan(first, checked, calibrator, console, again=options.reprice)
        measuring = replace(records, measure=calibrator.price, device=checked.device)
        plan = first if failed else expand(loaded, measuring)
        if plan is not first:
            failed = price_plan(plan, checked, calibrator, console, again=False)
    slots = options.slots or plan.spec["runtime"]["slots"] or len(checked.slots) // records.world
    return plan, Bill.of(plan, measuring, max(slots, 1), failed)


def _show(
    plan: Plan, store: Store, options: argparse.Namespace, console: Console, bill: Bill | None
) -> int:
    """Print the plan as tables or as JSON."""
    found = _found(plan, store)
    complete = any(each.complete for each in found.values())
    view = PlanView(
        plan=plan,
        found=found,
        elsewhere=other_studies(store, plan.study) if complete else {},
        counts=count_all(plan) if options.counts else {},
        architectures=architectures(plan) if options.arch else {},
        bill=bill,
        power=power_statement(plan, store, _reusable(found, options)),
        root=store.root,
        reuse_stale=options.reuse_stale,
    )
    if options.json:
        print_json(view)
    else:
        print_tables(view, console)
    return 1 if bill and bill.failed else 0


def _reusable(found: Mapping[str, ReuseStatus], options: argparse.Namespace) -> set[str]:
    stale_too = options.reuse_stale
    return {name for name, each in found.items() if each.reusable(stale_too=stale_too)}


def _found(plan: Plan, store: Store) -> dict[str, ReuseStatus]:
    """What is recorded of each run that is recorded at all."""
    runs = store.root / "runs"
    there = {path.name for path in runs.iterdir()} if runs.is_dir() else set()
    runtimes = {variant.name: variant.config["runtime"] for variant in plan.variants}
    return {
        run.run_id: reuse_status(store.run_dir(run.run_id), runtimes[run.variant])
        for run in plan.distinct_runs
        if run.run_id in there
    }
