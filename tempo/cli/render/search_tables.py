"""Print what a search may vary and what it found, in a terminal."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from tempo.cli.render.console import duration, make_console, plain_table, say
from tempo.cli.render.tables import print_table
from tempo.records.search_record import ParameterInfo, SearchSummary
from tempo.report.formats.table import Table
from tempo.report.tables.search_tables import confirmation, importance, space_table, trials
from tempo.workflow.plan.bill import count_all

if TYPE_CHECKING:
    from tempo.core.records import Plan
    from tempo.spec.load import LoadedStudy
    from tempo.tuning.space import Space

DRAWN = 5
"""Sampled trials to show."""

SHOWN = 15
"""Trials of the table unless all are asked for."""


def show_summary(summary: SearchSummary, console: Console, *, every: bool = False) -> None:
    """Print trials, Pareto front, confirmation, importance and what was spent."""
    say(console, f"{summary.study}: {summary.question.strip() or '(no question)'}")
    tables = (trials(summary, None if every else SHOWN), confirmation(summary), importance(summary))
    for table in tables:
        if isinstance(table, Table):
            print_table(table, console)
        if table is tables[0]:
            if summary.front:
                say(console, f"Pareto front: {', '.join(summary.front)}")
            for reason, count in summary.rejected.items():
                say(console, f"{count} proposals not trained: {reason}")
    for line in _closing(summary):
        say(console, line)


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


def show_search_plan(loaded: LoadedStudy, options: argparse.Namespace) -> int:
    """Print the space, the rules, the budget and the first trials as if nothing were known."""
    from tempo.tuning.plans import preview
    from tempo.tuning.space import Space
    from tempo.tuning.summary import describe

    space = Space(loaded)
    plan = preview(space, DRAWN)
    counts = count_all(plan) if options.counts else {}
    about = describe(space)
    if options.json:
        value = plan.to_json() | {"counts": counts, "space": [asdict(p) for p in about.space]}
        print(json.dumps(value | {"rules": about.rules, "budget": about.budget}, indent=2))
        return 0
    console = make_console()
    console.print(f"{plan.study}: {plan.question.strip() or '(no question given)'}", markup=False)
    show_space(about.space, console)
    console.print(_first_trials(plan, space, counts))
    for line in _lines(about.objectives, about.rules, about.constraints, space):
        say(console, line)
    return 0


def _first_trials(plan: Plan, space: Space, counts: dict[str, dict[str, int]]) -> RichTable:
    table = plain_table(f"first trials (then {space.search.sampler.kind} decides)")
    names = [parameter.name for parameter in space.parameters]
    for name in ("trial", *names, *(("parameters", "MACs") if counts else ())):
        table.add_column(name, overflow="fold")
    for variant in plan.variants:
        name = variant.name if variant.levels else f"{variant.name} (outside the space)"
        cells = [name, *(variant.levels.get(name, "") for name in names)]
        if variant.name in counts:
            cells += [f"{counts[variant.name][key]:,}" for key in ("parameters", "macs")]
        table.add_row(*map(Text, cells))
    return table


def _lines(
    objectives: tuple[str, ...], rules: tuple[str, ...], constraints: tuple[str, ...], space: Space
) -> Iterator[str]:
    search, seeds = space.search, len(space.loaded.spec.seeds)
    yield f"Objective: {', '.join(objectives)} on validation, mean over {seeds} seeds a trial."
    yield from rules
    if constraints:
        yield f"Only trained when {' and '.join(constraints)}."
    budget = ", ".join(f"{value:g} {name}" for name, value in search.budget if value is not None)
    after = f"; then the best {search.top} and what is enqueued on {search.confirm} fresh seeds"
    yield f"Budget: {budget}{after if search.confirm else ''}."
    if search.confirm:
        few = f" {search.confirm} fresh seeds are too few for a verdict; 3 would do."
        yield (
            "Gains over what is enqueued are judged on the test clips, which choose nothing."
            f"{few if search.confirm < 3 else ''}"
        )
