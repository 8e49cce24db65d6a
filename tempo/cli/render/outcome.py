"""Print how a study or a search ended, and choose the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from tempo.cli.render.console import make_console, say
from tempo.cli.render.search_tables import show_summary
from tempo.cli.render.tables import print_results
from tempo.core.counted import counted
from tempo.workflow.suggestions import suggested

if TYPE_CHECKING:
    from tempo.workflow.execution.execution import Outcome
    from tempo.workflow.execution.search_execution import SearchOutcome
    from tempo.workflow.run_options import RunOptions


def show_outcome(outcome: Outcome, options: RunOptions) -> int:
    """Print the results of a study, or how to continue; returns the exit code."""
    console = make_console()
    if outcome.ending == "submitted":
        _show_submitted(outcome, options, console)
    elif outcome.ending == "stopped":
        total = sum(outcome.counts.values())
        left = f"Stopped with {outcome.left} of {counted(total, 'run')} to go"
        say(console, f"{left}; the same command continues:")
        say(console, f"  {options.command}")
    elif outcome.comparison is not None:
        print_results(outcome.comparison, console)
        say(console, f"Report:  {outcome.page}")
    return outcome.exit_code


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
