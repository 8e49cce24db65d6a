"""Run `tempo stop`: ask runs to write a checkpoint and leave, from any terminal or host."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tempo.cli import shared_options as shared
from tempo.cli.shared_options import warn
from tempo.core.records import PlannedRun
from tempo.records.layout import Store
from tempo.workflow.control import active_runs, planned_so_far, stop_runs
from tempo.workflow.names import is_plan, plan_named, plans_of, run_named

EPILOG = """examples:
  tempo stop se_dilation        its workers checkpoint and leave, its command ends
  tempo stop se=off s1          this run alone; the study goes on without it
  tempo stop                    every study that is going on

The same command that began the study continues it.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Ask runs to write a checkpoint and leave. Nothing is lost."
    parser.epilog = EPILOG
    parser.add_argument(
        "name",
        nargs="*",
        metavar="STUDY|SPEC|RUN",
        help="a run is named by its id, by how the id begins, or as VARIANT sSEED",
    )
    parser.add_argument("--profile", help="of the spec, or which plan of the study")
    shared.add_records(parser)
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Ask the named runs to stop, and print which are stopping."""
    store = Store(options.records)
    runs = _chosen(" ".join(options.name), store, options.profile)
    found = stop_runs(runs, store)
    for run in found.asked:
        print(f"stopping  {run.title} ({run.run_id}) on {found.holds[run.run_id].owner}")
    if found.waiting:
        print(f"{len(found.waiting)} more will not begin until the study's command is given again")
    if not (found.asked or found.waiting):
        print("nothing to stop: every run is complete" if runs else "nothing is going on")
    return 0


def _chosen(name: str, store: Store, profile: str | None) -> Sequence[PlannedRun]:
    """The runs that a name means; without one, those of all studies that are going on."""
    if not name:
        return active_runs(plans_of(store, warn), store)
    if is_plan(name, store):
        return planned_so_far(plan_named(name, store, profile), store)
    return [run_named(name, store)]
