"""`tempo stop`: ask runs to checkpoint and leave, from any terminal or host."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tempo.cli import options as shared
from tempo.cli.naming import SPEC_SUFFIXES, plan_named, plans_of, run_named
from tempo.core.records import Plan, PlannedRun
from tempo.ledger.open import open_ledger
from tempo.ledger.owner import is_active
from tempo.ledger.port import Ledger
from tempo.records.event_tail import is_complete
from tempo.records.layout import Store

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
    store = Store(options.records)
    with closing(open_ledger(None, store.root)) as ledger:
        _stop(store, ledger, options)
    return 0


def _stop(store: Store, ledger: Ledger, options: argparse.Namespace) -> None:
    runs = _chosen(" ".join(options.name), store, ledger, options.profile)
    open_ = [run for run in runs if not is_complete(store.run_dir(run.run_id))]
    keys = [run.run_id for run in open_]
    ledger.ask_to_stop(keys)
    holds = ledger.holds(keys)
    going = [run for run in open_ if run.run_id in holds and is_active(holds[run.run_id])]
    for run in going:
        print(f"stopping  {run.title} ({run.run_id}) on {holds[run.run_id].owner}")
    waiting = len(open_) - len(going)
    if waiting:
        print(f"{waiting} more will not begin until the study's command is given again")
    if not open_:
        print("nothing to stop: every run is complete" if runs else "nothing is going on")


def _chosen(name: str, store: Store, ledger: Ledger, profile: str | None) -> Sequence[PlannedRun]:
    """The runs that a name means; without one, those of all studies that are going on."""
    if not name:
        going = [plan for plan in plans_of(store) if _goes_on(plan, ledger)]
        return [run for plan in going for run in plan.distinct_runs]
    if Path(name).suffix in SPEC_SUFFIXES or name in store.studies():
        return plan_named(name, store, profile).distinct_runs
    return [run_named(name, store)]


def _goes_on(plan: Plan, ledger: Ledger) -> bool:
    holds = ledger.holds([run.run_id for run in plan.distinct_runs])
    return any(is_active(hold) for hold in holds.values())
