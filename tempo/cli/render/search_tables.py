"""Print what a search found, and the space of a search, in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from tempo.cli.render.run_changes import duration
from tempo.cli.render.tables import print_table
from tempo.records.search_record import ParameterInfo, SearchSummary
from tempo.report.formats.table import Table
from tempo.report.tables.search_tables import confirmation, importance, space_table, trials

SHOWN = 15
"""Trials of the table unless all are asked for."""


def show_summary(summary: SearchSummary, console: Console, *, every: bool = False) -> None:
    """Print trials, Pareto front, confirmation, importance and what was spent."""

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    say(f"{summary.study}: {summary.question.strip() or '(no question)'}")
    tables = (trials(summary, None if every else SHOWN), confirmation(summary), importance(summary))
    for table in tables:
        if isinstance(table, Table):
            print_table(table, console)
        if table is tables[0]:
            if summary.front:
                say(f"Pareto front: {', '.join(summary.front)}")
            for reason, count in summary.rejected.items():
                say(f"{count} proposals not trained: {reason}")
    for line in _closing(summary):
        say(line)


def show_space(space: Sequence[ParameterInfo], console: Console) -> None:
    """Print what a search may vary."""
    print_table(space_table(space), console)


def _closing(summary: SearchSummary) -> Iterator[str]:
    yield from summary.rules
    spent = summary.spent
    budget = ", ".join(f"{value:g} {name}" for name, value in summary.budget.items())
    yield (
        f"Spent {spent.trials} trials, {spent.device_hours:.2f} device hours, "
        f"{duration(spent.hours * 3600)} of time (budget: {budget})."
    )
    yield f"Dashboard:  optuna-dashboard {summary.storage}   (study {summary.optuna_study})"
