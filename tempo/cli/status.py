"""Run `tempo status`: the state of a study's runs, from another terminal or another host."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tempo.cli import shared_options as shared
from tempo.cli.render.console import duration, make_console, plain_table, say
from tempo.core.errors import RecordError
from tempo.core.records import Plan
from tempo.launch.study_status import UNREADABLE, RunState, StudyStatus, study_status
from tempo.ledger.open import open_ledger
from tempo.ledger.port import Ledger
from tempo.records.layout import Store
from tempo.workflow.names import plan_named
from tempo.workflow.suggestions import suggested

EPILOG = """examples:
  tempo status se_dilation                                       the plan that was run last
  tempo status ablations/se_dilation.yaml --profile demo --watch
  tempo status se_dilation --json | jq '.runs[] | select(.state == "failed")'
  tempo status                                                   every study, one line each
"""

REFRESH_SECONDS = 2.0
MANY = 60
"""Runs that are all listed; of more, those that wait or are complete are only counted."""
UNOPENED = ("waiting", "not needed")
"""States of runs that adaptive seeds do not ask for, or not yet."""
ORDER = ("running", "stopping", "failed", UNREADABLE, "stopped", "pruned", "planned", *UNOPENED)
QUIET = {"planned", "complete", *UNOPENED}
"""States that are counted and not listed, where there are many runs."""
STYLES = {
    "running": "cyan",
    "stopping": "yellow",
    "failed": "red",
    UNREADABLE: "red",
    "complete": "green",
}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show how each run of a study stands. Reads records, imports no torch."
    parser.epilog = EPILOG
    parser.add_argument("name", nargs="?", metavar="SPEC|STUDY", help="default: all studies")
    parser.add_argument("--profile", help="of the spec, or which plan of the study")
    parser.add_argument("--metric", default="psnr", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--watch", action="store_true", help="refresh until every run has ended")
    parser.add_argument(
        "--all", action="store_true", help=f"list every run, also of more than {MANY}"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON, every run")
    shared.add_records(parser)
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    store = Store(options.records)
    with closing(open_ledger(None, store.root)) as ledger:
        if options.name is None:
            _overview(store, ledger, options)
        else:
            _one(plan_named(options.name, store, options.profile), store, ledger, options)
    return 0


def _one(plan: Plan, store: Store, ledger: Ledger, options: argparse.Namespace) -> None:
    def look() -> StudyStatus:
        return study_status(plan, store, ledger, options.metric)

    if options.json:
        print(json.dumps(as_json(look()), indent=2))
    elif options.watch:
        _watch(look, make_console(), every=options.all)
    else:
        _print(look(), make_console(), store.root, every=options.all)


def _overview(store: Store, ledger: Ledger, options: argparse.Namespace) -> None:
    """One line per study."""
    read = store.load_plans()
    found, problems = [], dict(read.problems)
    for plan in read.plans:
        try:
            found.append(study_status(plan, store, ledger, options.metric))
        except RecordError as error:
            problems[plan.study] = str(error)
    left_out = replace(read, problems=problems).left_out
    if not found:
        raise RecordError(left_out or f"{store.root} holds no study yet")
    if left_out:
        say(make_console(stderr=True), left_out)
    if options.json:
        print(json.dumps([as_json(each) for each in found], indent=2))
        return
    console = make_console()
    for each in found:
        say(console, headline(each))


def _watch(look: Callable[[], StudyStatus], console: Console, *, every: bool) -> None:
    """Refresh in place in a terminal; elsewhere a line whenever something changed."""
    standing = look()
    if not console.is_terminal:
        said = ""
        while True:
            if headline(standing) != said:
                said = headline(standing)
                say(console, said)
            if _over(standing):
                return
            time.sleep(REFRESH_SECONDS)
            standing = look()
    with Live(_table(standing, every=every), console=console, auto_refresh=False) as live:
        while not _over(standing):
            time.sleep(REFRESH_SECONDS)
            standing = look()
            live.update(_table(standing, every=every), refresh=True)


def _over(standing: StudyStatus) -> bool:
    return all(run.ended for run in standing.runs)


def _print(standing: StudyStatus, console: Console, records: Path, *, every: bool) -> None:
    console.print(_table(standing, every=every))
    for run in standing.runs:
        finish = run.progress.finish
        if run.state == "failed" and finish is not None:
            say(console, f"FAILED    {run.run.title} ({finish.failure}): {finish.message}")
            say(console, f"  {suggested('logs', run.run.run_id, records=records)}")
        if run.problem:
            say(console, f"UNREADABLE  {run.run.title}: {run.problem}")
    for sentence in standing.rule:
        say(console, sentence)


def headline(standing: StudyStatus) -> str:
    """`se_dilation (demo): 3 of 12 complete, 2 running, ETA 0:04:10`."""
    states = [run.state for run in standing.runs]
    counts = [f"{states.count(name)} {name}" for name in ORDER if name in states]
    wanted = sum(state not in UNOPENED for state in states)
    of = f"{states.count('complete')} of {wanted} complete"
    eta = [] if standing.eta is None else [f"ETA {duration(standing.eta)}"]
    profile = f" ({standing.profile})" if standing.profile else ""
    return f"{standing.study}{profile}: " + ", ".join([of, *counts, *eta])


def _table(standing: StudyStatus, *, every: bool) -> Table:
    table = plain_table(headline(standing))
    for name in ("run", "id", "state"):
        table.add_column(name, no_wrap=True)
    common = "" if standing.step is None else f"at {standing.step}"
    for name in ("attempt", "step", standing.metric, common, "ETA", "memory"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("device", "where"):
        table.add_column(name, no_wrap=True)
    listed = standing.runs
    if not every and len(listed) > MANY:
        listed = tuple(run for run in listed if run.state not in QUIET)
    for run in listed:
        table.add_row(*_cells(run))
    if len(listed) < len(standing.runs):
        left_out = len(standing.runs) - len(listed)
        table.caption = f"{left_out} more, complete, planned or not needed (--all)"
        table.caption_justify = "left"
    return table


def _cells(run: RunState) -> list[Text]:
    progress = run.progress
    steps = f"{progress.step}/{progress.total}" if progress.total else "-"
    texts = [
        str(progress.attempt or "-"),
        steps,
        _number(run.value),
        _number(run.common),
        duration(run.eta),
        "-" if run.memory is None else f"{run.memory / 2**20:,.0f} MiB",
        run.device or "-",
        run.where or "-",
    ]
    said = f"{run.state}: {run.why}" if run.why else run.state
    state = Text(said, style=STYLES.get(run.state, ""))
    return [Text(run.run.title), Text(run.run.run_id), state, *map(Text, texts)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:#.4g}"


def as_json(standing: StudyStatus) -> dict[str, Any]:
    """What the table shows, in seconds and bytes, with null for what is not known."""
    return {
        "study": standing.study,
        "profile": standing.profile,
        "metric": standing.metric,
        "common_step": standing.step,
        "eta_s": standing.eta,
        "rule": list(standing.rule),
        "runs": [_run_json(run) for run in standing.runs],
    }


def _run_json(run: RunState) -> dict[str, Any]:
    progress = run.progress
    finish = progress.finish
    return {
        "run_id": run.run.run_id,
        "variant": run.run.variant,
        "seed": run.run.seed,
        "state": run.state,
        "why": run.why or None,
        "attempt": progress.attempt or None,
        "step": progress.step,
        "steps": progress.total or None,
        "value": run.value,
        "value_at_common_step": run.common,
        "eta_s": run.eta,
        "device": run.device or None,
        "memory_bytes": run.memory,
        "where": run.where or None,
        "failure": finish.failure if finish else None,
        "message": finish.message if finish else run.problem or None,
    }
