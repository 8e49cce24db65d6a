"""Run `tempo doctor`: print what was checked of this machine, and what would fail."""

from __future__ import annotations

import argparse

from rich.text import Text

from tempo.cli import shared_options as shared
from tempo.cli.render.console import make_console, say

EPILOG = """examples:
  tempo doctor                    before the first study on a machine
  tempo doctor --no-devices       at once, without torch
  tempo doctor --json             for programs; exit code 1 where something would fail
"""

WOULD_FAIL = 1

COLOURS = {"ok": "green", "note": "cyan", "warning": "yellow", "failure": "red"}
WORDS = {"ok": "ok", "note": "note", "warning": "warning", "failure": "FAILURE"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check devices, drivers, ledger, stores, disks, clock, thread settings and versions, and "
        "say what would fail. Nothing is changed."
    )
    parser.epilog = EPILOG
    shared.add_records(parser)
    shared.add_cache(parser)
    shared.add_reports(parser)
    shared.add_store(parser, may_be_off=True)
    parser.add_argument(
        "--no-devices",
        action="store_false",
        dest="devices",
        help="do not ask torch, which takes some seconds",
    )
    parser.add_argument("--json", action="store_true", help="print json")
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Print what was found; 1 where something would fail."""
    from tempo.workflow.inspection.doctor import doctor

    aside = make_console(stderr=True)
    found = doctor(
        records=options.records,
        cache=options.cache,
        reports=options.reports,
        mlflow=options.mlflow,
        devices=options.devices,
        say=lambda sentence: say(aside, sentence),
    )
    if options.json:
        print(found.json(), end="")
        return 0 if found.healthy else WOULD_FAIL
    from rich.table import Table

    console = make_console()
    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(overflow="fold")
    for each in found.findings:
        told = f"{each.found}\n-> {each.advice}" if each.advice else each.found
        word = Text(WORDS[each.state], style=COLOURS[each.state])
        table.add_row(word, Text(each.topic), Text(told))
    console.print(table)
    bad = len(found.failures)
    warnings = sum(each.state == "warning" for each in found.findings)
    said = f"{bad} would fail" if bad else "Nothing would fail"
    say(console, f"\n{said}; {warnings} to know of." if warnings else f"\n{said}.")
    return 0 if found.healthy else WOULD_FAIL
