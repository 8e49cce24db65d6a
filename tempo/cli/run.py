"""`tempo run`: a whole study, from its spec to its report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tempo.cli import options as shared
from tempo.cli.plan import add_plan_options
from tempo.cli.plan import execute as show_plan
from tempo.cli.stores import add_checkpoints, add_store, add_wandb
from tempo.cli.torchrun import add_ddp
from tempo.cli.worker import default_cache
from tempo.spec.load import load_study

if TYPE_CHECKING:
    from tempo.cli.pooling import Wanted

EPILOG = """examples:
  python run_experiment.py ablations/se_dilation.yaml --profile demo
  python run_experiment.py ablations/se_dilation.yaml --plan --counts
  python run_experiment.py experiments/tempo_v3.yaml --set recipe.lr=1e-4 --set seeds=3
  python run_experiment.py ablations/v2_to_v3.yaml --launcher slurm --dry-run

Stop with Ctrl-C and run the same command again: it finishes only what is missing.
"""


LAUNCHERS = ("local", "inline", "torchrun", "slurm")
"""Those of `tempo.launch.launchers.catalog`, which what only plans does not import."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Carry out a study: plan, check, train every variant, compare, report."
    parser.epilog = EPILOG
    shared.add_spec(parser)
    shared.add_records(parser)
    parser.add_argument("--plan", action="store_true", help="list variants and runs, do nothing")
    add_plan_options(parser)
    parser.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR")
    parser.add_argument(
        "--slots", type=shared.positive, metavar="N", help="runs side by side (default: devices)"
    )
    _add_launching(parser)
    shared.add_profile_steps(parser)
    shared.add_reuse(parser)
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failed run")
    add_store(parser, may_be_off=True)
    add_checkpoints(parser)
    add_wandb(parser)
    parser.set_defaults(handler=execute)


def _add_launching(parser: argparse.ArgumentParser) -> None:
    """The launcher, and how it is used."""
    parser.add_argument(
        "--launcher",
        choices=LAUNCHERS,
        default="local",
        help="what carries out the runs: processes of this machine (default), this very process "
        "(for a debugger), a fresh torchrun for each, or a Slurm cluster",
    )
    add_ddp(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be launched, launch nothing"
    )
    parser.add_argument(
        "--wait", action="store_true", help="stay until the cluster is done, then report"
    )
    parser.add_argument(
        "--scratch",
        metavar="DIR",
        help="a node's own disk, to copy the data cache to (as $TMPDIR, expanded on the node)",
    )


def execute(options: argparse.Namespace, wanted: Wanted | None = None) -> int:
    """Plan, search, or carry out a study's runs, all or the `wanted` ones; see
    `tempo.cli.main.main` for the exit codes."""
    loaded = load_study(options.spec, profile=options.profile, overrides=options.overrides)
    if loaded.spec.search is not None:
        from tempo.cli.search import run_search

        return run_search(loaded, options)
    if options.plan or options.price or options.reprice:
        return show_plan(options)
    # What carries out, compares and draws is imported for those who want it.
    from tempo.cli.study import run_study

    return run_study(loaded, options, wanted)
