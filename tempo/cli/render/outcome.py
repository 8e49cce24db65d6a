"""Print how a study or a search ended, and choose the exit code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console

from tempo.cli.render.console import make_console, say
from tempo.cli.render.results import print_results
from tempo.cli.render.search_tables import show_summary
from tempo.core.counted import counted, listed_up_to
from tempo.workflow.suggestions import suggested

MOST_NAMED = 6
"""Runs that are named; the rest are counted."""

if TYPE_CHECKING:
    from tempo.workflow.execution.execution import Outcome
    from tempo.workflow.execution.search_execution import SearchOutcome
    from tempo.workflow.run_options import RunOptions


def show_outcome(outcome: Outcome, options: RunOptions) -> int:
    """Print the results of a study, or how to continue; returns the exit code."""
    console = make_console()
    for sentence in _losses(outcome):
        say(console, sentence)
    if outcome.ending == "submitted":
        _show_submitted(outcome, options, console)
    elif outcome.ending == "stopped":
        _show_stopped(outcome, options, console)
    elif outcome.comparison is not None:
        print_results(outcome.comparison, console, on_page=True)
        say(console, f"Report:  {outcome.page}")
    return outcome.exit_code


def _losses(outcome: Outcome) -> Iterator[str]:
    """Yield what became of runs whose workers died or lost their leases."""
    if not outcome.losses:
        return
    times = sum(map(len, outcome.losses.values()))
    went = ", and later ones finished their runs" if outcome.complete else ""
    yield f"Workers were lost {counted(times, 'time')}{went}:"
    for run, reasons in list(outcome.losses.items())[:MOST_NAMED]:
        yield f"lost      {run.title}: {'; '.join(dict.fromkeys(reasons))}"
    if len(outcome.losses) > MOST_NAMED:
        yield f"and those of {counted(len(outcome.losses) - MOST_NAMED, 'more run')}"


def _show_stopped(outcome: Outcome, options: RunOptions, console: Console) -> None:
    total = sum(outcome.counts.values())
    if outcome.stopped:
        named = listed_up_to(MOST_NAMED, [run.title for run in outcome.stopped])
        say(console, f"Stopped before their end: {named}.")
    left = f"Stopped with {outcome.left} of {counted(total, 'run')} to go"
    say(console, f"{left}; the same command continues:")
    say(console, f"  {options.command}")


def _tending(outcome: Outcome, options: RunOptions) -> Iterator[str]:
    """Yield what happens to jobs that a Ray cluster loses: it starts none again by itself."""
    if options.launcher != "ray":
        return
    if outcome.tender is not None:
        yield "A job on Ray's head submits again what Ray loses, and reports at the end; its log:"
        yield f"  {options.records / 'ray' / outcome.tender / 'tend.log'}"
    else:
        yield "Ray starts a job once; this submits again what it loses (--submit: on its head):"
        yield f"  {suggested('tend', outcome.plan.study, records=options.records)}"


def _show_submitted(outcome: Outcome, options: RunOptions, console: Console) -> None:
    plan, records = outcome.plan, options.records
    said = ", ".join(f"{count} {what}" for what, count in outcome.counts.items())
    left = counted(outcome.left, "run")
    then = "compares and reports"
    if plan.stages is not None:
        then = "looks, and submits the seeds that are needed or reports"
    say(console, f"{plan.study} is with {options.launcher}: {said} of {left}.")
    for line in (
        f"  {suggested('status', plan.source, records=records)}   what each run is doing",
        f"  {suggested('logs', 'RUN', '-f', records=records)}   the log of one of them",
        f"  {suggested('stop', plan.study, records=records)}   checkpoint and leave",
        *_tending(outcome, options),
        f"When all runs are complete, the same command {then} (--wait stays):",
        f"  {options.command}",
    ):
        say(console, line)


def show_search_outcome(outcome: SearchOutcome, options: RunOptions) -> int:
    """Print what a search found, or how to continue; returns the exit code."""
    console = make_console()
    show_summary(outcome.summary, console)
    if outcome.page is None:
        say(console, "Stopped; the same command continues:")
        say(console, f"  {options.command}")
    else:
        say(console, f"Summary: {outcome.path}")
        say(console, f"Report:  {outcome.page}")
    return outcome.exit_code
