"""Run `tempo search`: show what a search found, promote and export trials."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tempo.cli import shared_options as shared
from tempo.cli.render.console import make_console
from tempo.records.layout import Store
from tempo.records.search_record import SearchSummary, TrialRecord
from tempo.workflow.search import SearchResult, open_search
from tempo.workflow.suggestions import suggested

EPILOG = """examples:
  tempo run experiments/search_v3.yaml --profile demo       carry a search out
  tempo search show search_v3                               what it found so far
  tempo search show search_v3 --all --json
  tempo search promote search_v3 7                          finish a pruned trial
  tempo search export search_v3 -o experiments/found.yaml   the winner as a study
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show what a search found, finish pruned trials, write the winner."
    parser.epilog = EPILOG
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="trials, confirmation, importance")
    show.add_argument("--all", action="store_true", help="every trial, not the best ones only")
    show.add_argument("--json", action="store_true", help="print the record")
    show.add_argument("--reports", type=Path, metavar="DIR", help="write the page there as well")
    promote = actions.add_parser("promote", help="have pruned trials finished by the next run")
    export = actions.add_parser("export", help="write a trial as a study file")
    for action, handler in ((show, _show), (promote, _promote), (export, _export)):
        action.add_argument("name", metavar="STUDY")
        action.add_argument("--profile", help="which search of the study (default: the last one)")
        shared.add_records(action)
        action.set_defaults(handler=handler)
    promote.add_argument("trials", nargs="+", metavar="TRIAL", help="names or numbers")
    export.add_argument("--trial", help="a name or number (default: the best)")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")


def _show(options: argparse.Namespace) -> int:
    from tempo.cli.render.search_tables import show_summary

    found = _open(options)
    if options.json:
        from pydantic import TypeAdapter

        print(TypeAdapter(SearchSummary).dump_json(found.summary, indent=2).decode())
    else:
        show_summary(found.summary, make_console(), every=options.all)
    if options.reports:
        page = found.report(options.reports)
        print(f"Report:  {page}", file=sys.stderr if options.json else sys.stdout)
    return 0


def _promote(options: argparse.Namespace) -> int:
    found = _open(options)
    names = ", ".join(_named(trial) for trial in found.promote(*options.trials))
    command = _command(found.summary.source, found.summary.profile, options.records)
    print(f"{names}: continued by\n  {command}")
    return 0


def _named(trial: TrialRecord) -> str:
    """Return a trial's name, with the number where that is not in the name."""
    number = trial.number
    return (
        trial.variant if trial.variant == f"trial-{number:03d}" else f"{trial.variant} ({number})"
    )


def _export(options: argparse.Namespace) -> int:
    found = _open(options)
    trial = found.export(options.output, options.trial)
    command = _command(options.output, found.summary.profile, options.records)
    print(f"{trial.variant} is {options.output}\n  {command}")
    return 0


def _open(options: argparse.Namespace) -> SearchResult:
    return open_search(Store(options.records), options.name, options.profile)


def _command(spec: object, profile: str | None, records: Path) -> str:
    return suggested("run", spec, *(("--profile", profile) if profile else ()), records=records)
