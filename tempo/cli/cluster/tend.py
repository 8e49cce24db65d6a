"""Run `tempo tend`: follow a study that a cluster carries out, from anywhere or on the cluster."""

from __future__ import annotations

import argparse
from typing import Any

from tempo.cli import shared_options as shared
from tempo.core.own_command import given_command
from tempo.core.startup import loading
from tempo.workflow.run_options import RunOptions

EPILOG = """examples:
  tempo tend v2_to_v3                    submit again what was lost, until all is done
  tempo tend v2_to_v3 --submit           have a job on Ray's head do that
  tempo tend v2_to_v3 --ray-address http://HEAD:8265

Ray starts a job once. `tempo run --launcher ray` has its head tend the study by itself, and
`--wait` stays and tends it; this is for what was begun otherwise. Ctrl-C leaves the jobs alone.
"""

CLUSTERS = ("ray", "slurm")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Follow a study that a cluster carries out: join the jobs that are there, submit again "
        "what was lost, and report at the end."
    )
    parser.epilog = EPILOG
    parser.add_argument("name", metavar="STUDY|SPEC", help="as it was run last")
    parser.add_argument("--profile", help="of the spec, or which plan of the study")
    parser.add_argument(
        "--submit", action="store_true", help="have a job on Ray's head do it, and leave"
    )
    parser.add_argument(
        "--launcher",
        choices=CLUSTERS,
        default="ray",
        help="the kind of cluster (default: %(default)s)",
    )
    shared.add_ray_address(parser)
    shared.add_records(parser)
    shared.add_reports(parser)
    shared.add_cache(parser)
    shared.add_slots(parser)
    shared.add_ddp(parser)
    shared.add_scratch(parser)
    shared.add_reuse(parser)
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failed run")
    shared.add_store(parser, may_be_off=True)
    shared.add_checkpoints(parser)
    shared.add_wandb(parser)
    parser.set_defaults(handler=execute, continues=True)


def execute(options: argparse.Namespace) -> int:
    """Tend a study here, or have Ray's head tend it; the exit code."""
    with loading():
        from tempo.cli.render.console import make_console, say
        from tempo.cli.render.live import make_observer
        from tempo.cli.render.outcome import show_outcome
        from tempo.workflow.execution.tender_job import submit_tender
        from tempo.workflow.execution.tending import tend
        from tempo.workflow.names import plan_named

    given = vars(options)
    chosen: dict[str, Any] = {name: given[name] for name in shared.OPTIONS if name in given}
    settings = RunOptions(command=given_command(), **chosen)
    plan = plan_named(options.name, settings.store, options.profile)
    if options.submit:
        name = submit_tender(plan, settings)
        say(make_console(), f"{plan.study} is tended on Ray's head by the job {name}; its log:")
        say(make_console(), f"  {settings.records / 'ray' / name / 'tend.log'}")
        return 0
    return show_outcome(tend(plan, settings, make_observer()), settings)
