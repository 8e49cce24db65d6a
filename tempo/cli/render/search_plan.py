"""Print the plan of a search: what may vary, the budget, the first trials."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tempo.cli.render.console import make_console
from tempo.cli.render.search_tables import show_space
from tempo.workflow.plan.counts import count_all

if TYPE_CHECKING:
    from tempo.core.records import Plan
    from tempo.spec.load import LoadedStudy
    from tempo.tuning.space import Space

DRAWN = 5
"""Sampled trials to show."""


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
    console.print(_trials(plan, space, counts))
    for line in _lines(about.objectives, about.rules, about.constraints, space):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def _trials(plan: Plan, space: Space, counts: dict[str, dict[str, int]]) -> Table:
    title = f"first trials (then {space.search.sampler.kind} decides)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
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
