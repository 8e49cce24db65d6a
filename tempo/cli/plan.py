"""Run `tempo plan`: show what a spec expands to, counts and costs, without running anything."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tempo.cli import shared_options as shared
from tempo.core.startup import loading

if TYPE_CHECKING:
    from tempo.workflow.study import Study

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
    shared.add_cache(parser)
    shared.add_slots(parser)
    shared.add_ddp(parser)
    shared.add_reuse(parser)
    parser.set_defaults(handler=execute, continues=True)


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """Add what `tempo plan` and `tempo run --plan` share."""
    for name, text in (
        ("counts", "parameters, MACs and activation memory (imports torch)"),
        ("arch", "each network stage by stage (imports torch)"),
        (
            "price",
            "train a few steps of every variant that has no price on this device, and say what "
            "the study will take",
        ),
    ):
        parser.add_argument(f"--{name}", action="store_true", help=f"with the plan: {text}")
    parser.add_argument(
        "--reprice", action="store_true", help="the same, measuring every variant again"
    )
    parser.add_argument("--json", action="store_true", help="with the plan: print it as JSON")


def execute(options: argparse.Namespace) -> int:
    """Show the plan; 1 when a variant could not be priced."""
    return show_plan(shared.open_study(options), options)


def show_plan(study: Study, options: argparse.Namespace) -> int:
    """Print the plan of a study or a search, as tables or JSON."""
    if study.is_search:
        from tempo.cli.render.search_tables import show_search_plan

        return show_search_plan(study.loaded, options)
    with loading():
        from tempo.cli.render.console import make_console
        from tempo.cli.render.plan import print_tables
        from tempo.workflow.plan.study_plan import price_study, study_plan

    plan, bill = None, None
    if options.price or options.reprice:
        from tempo.cli.render.live import make_observer

        observer = make_observer(stderr=options.json)
        plan, bill = price_study(study.loaded, study.options, observer, again=options.reprice)
    view = study_plan(
        plan or study.expanded,
        study.options,
        counts=options.counts,
        architectures=options.arch,
        bill=bill,
    )
    if options.json:
        print(view.json_text())
    else:
        print_tables(view, make_console())
    return 1 if bill and bill.failed else 0
