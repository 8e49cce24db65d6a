"""Run `tempo compare`: table, figures and page from recorded results, offline."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tempo.cli import shared_options as shared
from tempo.cli.render.column_blocks import block_parts
from tempo.cli.render.console import make_console, say
from tempo.cli.render.results import print_results
from tempo.cli.render.tables import print_table
from tempo.cli.shared_options import add_store, store_of
from tempo.core.errors import RecordError
from tempo.core.own_command import page_command
from tempo.core.records import Plan
from tempo.records.layout import Store

if TYPE_CHECKING:
    from tempo.comparison.comparison import Comparison
    from tempo.comparison.gate import Outcome

EPILOG = """examples:
  tempo compare se_dilation                         the study's last plan, from ./records
  tempo compare path/to/records                     every study in a folder of records
  tempo compare mlflow:old_study                    an experiment of MLflow, whoever logged it
  tempo compare se_dilation "mlflow:tags.variant = 'x'" --mlflow http://127.0.0.1:5000
  tempo compare se_dilation --baseline V2 --metric ssim,psnr
  tempo compare se_dilation --at 300 --where 'se = on'
  tempo compare se_dilation --latex > table.tex     also --md, --csv, --json
  tempo compare se_dilation --on snu_film:hard      the whole comparison on a further test set
  tempo compare se_dilation --paper-table --latex   rows by test sets, for a paper
  tempo compare after --against before              two studies: what got better or worse
  tempo compare search_v3                           of a search: its page
  tempo compare se_dilation --example reports/example      a small report, to be kept
  tempo compare nightly --gate 'psnr >= baseline - 0.05'   exit code 1 when a variant fails
"""

GATE_FAILED = 1


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Rebuild table, figures and page from records, offline and without torch. Verdicts follow "
        "the rule that the study's spec fixed; what is asked otherwise is labelled exploratory."
    )
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
    shared.add_formats(parser, ("md", "csv", "json", "latex"), " and write no report")
    shared.add_reports(parser)
    parser.add_argument("--no-report", action="store_true", help="print the table only")
    parser.add_argument(
        "--weights",
        action="store_true",
        help="have the page tell how far weights are from the baseline's (loads torch)",
    )
    parser.add_argument(
        "--example",
        type=Path,
        metavar="DIR",
        help="write a small report there instead: few pictures, figures as PNG",
    )
    parser.set_defaults(handler=execute)


def _add_question(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baseline", metavar="VARIANT", help="the control variant (default: the rule's)"
    )
    parser.add_argument("--against", metavar="STUDY", help="an earlier study: show what changed")
    parser.add_argument("--metric", metavar="NAMES", help="primary metric, then others: psnr,ssim")
    parser.add_argument(
        "--at", default="final", metavar="WHERE", help="final (default), best-val, or a step"
    )
    parser.add_argument("--where", metavar="RULE", help="keep runs: 'se = on and seed < 3'")
    parser.add_argument("--group-by", metavar="FACTOR", help="order the rows by a factor")
    parser.add_argument(
        "--delta", type=float, metavar="X", help="half-width of `equivalent` (default: the rule's)"
    )
    parser.add_argument(
        "--level",
        type=float,
        metavar="X",
        help="coverage of intervals (default: what the rule's error rate leaves)",
    )
    parser.add_argument("--passing", metavar="LEVELS", help="say when each passes: 30,31.5")
    parser.add_argument(
        "--attribution", nargs=2, metavar=("FROM", "TO"), help="explain TO minus FROM by factors"
    )
    parser.add_argument("--on", metavar="SET", help="compare on a further test set of the study")
    parser.add_argument(
        "--paper-table",
        action="store_true",
        help="print the table of a paper: all test sets, the best marked by verdict",
    )
    parser.add_argument("--gate", metavar="RULE", help="exit 1 unless every variant keeps a rule")


def execute(options: argparse.Namespace) -> int:
    """Compare as asked; 1 when a gate failed."""
    from tempo.comparison.gate import parse_gate
    from tempo.workflow.comparison import compare_plans

    question = _question(options)
    if options.gate:
        parse_gate(options.gate)
    if options.weights and (options.against or options.no_report or options.paper_table):
        raise RecordError(
            "--weights is for the page of one study and its JSON: leave out --against, --no-report "
            "and --paper-table"
        )
    chosen = _select(options.names, options, options.profile)
    console = make_console()
    if options.against:
        for name in ("on", "paper_table"):
            if getattr(options, name):
                raise RecordError(
                    f"--{name.replace('_', '-')} is of one study, and --against compares two; "
                    "leave one of them out"
                )
        _show_changes(options, chosen, question, console)
        return 0
    comparison = compare_plans(chosen, on=options.on, **question)
    if options.weights:
        comparison = comparison.with_weights(make_console(stderr=True).print)
    if options.paper_table:
        _print_paper_table(comparison.data, options.format, console)
    elif options.format:
        print(_text(comparison.data, options.format), end="")
    elif options.no_report:
        print_results(comparison.data, console)
    elif options.example:
        from tempo.workflow.reports import write_example

        say(console, f"Report:  {write_example(comparison.data, options.example)}")
    else:
        print_results(comparison.data, console, on_page=True)
        say(console, f"Report:  {comparison.report(options.reports)}")
    return _judge(comparison.gate(options.gate), console) if options.gate else 0


def _select(
    names: Sequence[str], options: argparse.Namespace, profile: str | None = None
) -> list[tuple[Store, Plan]]:
    from tempo.workflow.names import select, without_mlflow

    found = without_mlflow(
        names,
        Store(options.records),
        store_of(options),
        asked=options.mlflow is not None,
        say=make_console(stderr=True).print,
    )
    return select(found, options.records, profile, shared.warn)


def _question(options: argparse.Namespace) -> dict[str, Any]:
    names = ("baseline", "metric", "at", "where", "group_by", "delta", "level", "passing")
    asked = {name: getattr(options, name) for name in names}
    small = options.no_report and not options.attribution
    detail = "table" if small else "full"
    return asked | {"attribution": options.attribution, "detail": detail}


def _text(comparison: Comparison, name: str) -> str:
    """The results table as `md`, `csv` or `latex`; the whole comparison as `json`."""
    from tempo.report.formats.writers import WRITERS, json_text
    from tempo.report.tables.results import data, printed

    if name == "json":
        return json_text(comparison)
    return WRITERS[name](data(comparison) if name == "csv" else printed(comparison))


def _print_paper_table(comparison: Comparison, name: str | None, console: Console) -> None:
    """Print the table of a paper, in a terminal without a format.

    Raises:
        RecordError: nothing was judged on test clips.
    """
    from tempo.report.formats.table import NotApplicable
    from tempo.report.formats.writers import WRITERS, json_text
    from tempo.report.tables import paper

    table = paper.build(comparison)
    if isinstance(table, NotApplicable):
        raise RecordError(f"{comparison.study} has no table for a paper: {table.reason}")
    if name is None:
        for part in block_parts(table, console.width):
            console.print(part)
    elif name in ("csv", "json"):
        programs = paper.data(comparison)
        print(json_text(programs) if name == "json" else WRITERS[name](programs), end="")
    else:
        print(WRITERS[name](table), end="")


def _show_changes(
    options: argparse.Namespace,
    after: Sequence[tuple[Store, Plan]],
    question: dict[str, Any],
    console: Console,
) -> None:
    from tempo.comparison.study_changes import changes
    from tempo.report.tables.changes import printed
    from tempo.workflow.comparison import make_query
    from tempo.workflow.reports import changes_as_text, write_changes_page

    before = _select([options.against], options)
    if len(before) != 1 or len(after) != 1:
        raise RecordError(
            f"--against compares one study with one other, not {len(after)} with {len(before)}"
        )
    found = changes(before[0], after[0], make_query(**question))
    if options.format:
        print(changes_as_text(found, options.format), end="")
        return
    print_table(printed(found), console)
    if not options.no_report:
        plans = (before[0][1], after[0][1])
        words = sys.argv[2:] if sys.argv[1:2] == ["compare"] else sys.argv[1:]
        command = page_command("compare", *words)
        page = write_changes_page(found, plans, options.reports, command=command)
        say(console, f"Report:  {page}")


def _judge(outcomes: Sequence[Outcome], console: Console) -> int:
    """Say how every variant does at the gate; `GATE_FAILED` when one does not pass."""
    for outcome in outcomes:
        word = "pass" if outcome.passed else "FAIL"
        say(console, f"{word}  {outcome.variant}: {outcome.sentence}")
    return 0 if all(outcome.passed for outcome in outcomes) else GATE_FAILED
