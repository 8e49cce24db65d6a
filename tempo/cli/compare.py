"""`tempo compare`: table, figures and page from recorded results, offline."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tempo.cli import options as shared
from tempo.cli.console import make_console
from tempo.cli.mlflow_names import without_mlflow
from tempo.cli.stores import add_store
from tempo.core.records import Plan
from tempo.records.layout import Store

if TYPE_CHECKING:
    from tempo.compare.comparison import Comparison
    from tempo.compare.gate import Gate
    from tempo.compare.query import Query

EPILOG = """examples:
  python compare.py se_dilation                         the study's last plan, from ./records
  python compare.py path/to/records                     every study in a folder of records
  python compare.py mlflow:old_study                    an experiment of MLflow, whoever logged it
  python compare.py se_dilation "mlflow:tags.variant = 'x'" --mlflow http://127.0.0.1:5000
  python compare.py se_dilation --baseline V2 --metric ssim,psnr
  python compare.py se_dilation --at 300 --where 'se = on'
  python compare.py se_dilation --latex > table.tex     also --md, --csv, --json
  python compare.py after --against before              two studies: what got better or worse
  python compare.py search_v3                           of a search: its page
  python compare.py se_dilation --example reports/example      a small report, to be kept
  python compare.py nightly --gate 'psnr >= baseline - 0.05'   exit code 1 when a variant fails
"""

GATE_FAILED = 1


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Rebuild table, figures and page from records, offline and without torch."
    parser.epilog = EPILOG
    parser.add_argument(
        "names",
        nargs="+",
        metavar="STUDY",
        help="a study's name, a folder of records, run ids, or mlflow:NAME for an experiment, run "
        "id or filter string of MLflow; several are put side by side",
    )
    parser.add_argument("--profile", help="which plan of a study (default: the last one run)")
    shared.add_records(parser)
    add_store(parser)
    _add_question(parser)
    output = parser.add_mutually_exclusive_group()
    for name in ("md", "csv", "json", "latex"):
        output.add_argument(
            f"--{name}",
            action="store_const",
            const=name,
            dest="format",
            help=f"print {name} and write no report",
        )
    parser.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR")
    parser.add_argument("--no-report", action="store_true", help="print the table only")
    parser.add_argument(
        "--example",
        type=Path,
        metavar="DIR",
        help="write a small report there instead: few pictures, figures as PNG",
    )
    parser.set_defaults(handler=execute)


def _add_question(parser: argparse.ArgumentParser) -> None:
    """What is asked of the records."""
    parser.add_argument("--baseline", metavar="VARIANT", help="the control variant")
    parser.add_argument("--against", metavar="STUDY", help="an earlier study: show what changed")
    parser.add_argument("--metric", metavar="NAMES", help="primary metric, then others: psnr,ssim")
    parser.add_argument(
        "--at", default="final", metavar="WHERE", help="final (default), best-val, or a step"
    )
    parser.add_argument("--where", metavar="RULE", help="keep runs: 'se = on and seed < 3'")
    parser.add_argument("--group-by", metavar="FACTOR", help="order the rows by a factor")
    parser.add_argument("--delta", type=float, metavar="X", help="half-width of `equivalent`")
    parser.add_argument("--level", type=float, default=0.95, help="coverage of intervals")
    parser.add_argument("--passing", metavar="LEVELS", help="say when each passes: 30,31.5")
    parser.add_argument(
        "--attribution", nargs=2, metavar=("FROM", "TO"), help="explain TO minus FROM by factors"
    )
    parser.add_argument("--gate", metavar="RULE", help="exit 1 unless every variant keeps a rule")


def execute(options: argparse.Namespace) -> int:
    """Compare as asked; 1 when a gate failed."""
    from tempo.compare.build import compare_all
    from tempo.compare.gate import parse_gate
    from tempo.compare.loading.selection import select

    query = _query(options)
    gate = parse_gate(options.gate) if options.gate else None
    names = without_mlflow(options.names, options, make_console(stderr=True).print)
    chosen = select(names, options.records, options.profile)
    console = make_console()
    if options.against:
        _show_changes(options, chosen, query, console)
        return 0
    comparison = compare_all(chosen, query)
    if options.format:
        print(_text(comparison, options.format), end="")
    elif options.no_report:
        show(comparison, console)
    else:
        _say_page(_write(options, comparison, chosen, console), console)
    return 0 if gate is None else _judge(comparison, gate, console)


def _write(
    options: argparse.Namespace,
    comparison: Comparison,
    chosen: list[tuple[Store, Plan]],
    console: Console,
) -> Path:
    from tempo.cli.pages import write_example, write_page

    if options.example:
        return write_example(comparison, options.example)
    return write_page(comparison, chosen, options.reports, console)


def _say_page(page: Path, console: Console) -> None:
    console.print(f"Report:  {page}", markup=False, soft_wrap=True)


def _query(options: argparse.Namespace) -> Query:
    from tempo.compare.query import parse_query

    return parse_query(
        baseline=options.baseline,
        metrics=options.metric,
        at=options.at,
        where=options.where,
        group_by=options.group_by,
        delta=options.delta,
        level=options.level,
        passing=options.passing,
        attribution=options.attribution,
        detail="table" if options.no_report and not options.attribution else "full",
    )


def _text(comparison: Comparison, name: str) -> str:
    from tempo.report.formats import WRITERS
    from tempo.report.formats.csv_json import json_text
    from tempo.report.tables.results import data, printed

    if name == "json":
        return json_text(comparison)
    return WRITERS[name](data(comparison) if name == "csv" else printed(comparison))


def _show_changes(
    options: argparse.Namespace,
    after: Sequence[tuple[Store, Plan]],
    query: Query,
    console: Console,
) -> None:
    from tempo.cli.pages import print_changes, write_changes_page
    from tempo.cli.render.tables import print_table
    from tempo.compare.loading.selection import select
    from tempo.compare.study_changes import changes
    from tempo.core.errors import RecordError
    from tempo.report.tables.changes import printed

    against = without_mlflow([options.against], options, make_console(stderr=True).print)
    before = select(against, options.records)
    if len(before) != 1 or len(after) != 1:
        raise RecordError(
            f"--against compares one study with one other, not {len(after)} with {len(before)}"
        )
    found = changes(before[0], after[0], query)
    if options.format:
        print_changes(found, options.format)
        return
    print_table(printed(found), console)
    if not options.no_report:
        plans = (before[0][1], after[0][1])
        _say_page(write_changes_page(found, plans, options.reports), console)


def _judge(comparison: Comparison, gate: Gate, console: Console) -> int:
    """Say how every variant does at the gate; `GATE_FAILED` when one does not pass."""
    from tempo.compare.gate import check

    outcomes = check(comparison, gate)
    for outcome in outcomes:
        word = "pass" if outcome.passed else "FAIL"
        console.print(
            f"{word}  {outcome.variant}: {outcome.sentence}", markup=False, soft_wrap=True
        )
    return 0 if all(outcome.passed for outcome in outcomes) else GATE_FAILED


def show(comparison: Comparison, console: Console) -> None:
    """Print the results table."""
    from tempo.cli.render.tables import print_table
    from tempo.report.tables.results import printed

    print_table(printed(comparison), console)


def publish(comparison: Comparison, reports: Path, console: Console) -> Path:
    """Print the table and write the report; returns the page."""
    from tempo.compare.loading.file_names import file_name
    from tempo.report.document import write_report

    show(comparison, console)
    return write_report(comparison, reports / file_name(comparison.study))


def report(store: Store, plan: Plan, reports: Path, console: Console) -> Path:
    """Compare what is recorded of a plan, print the table, write the report; returns the page."""
    from tempo.compare.build import compare

    return publish(compare(store, plan), reports, console)
