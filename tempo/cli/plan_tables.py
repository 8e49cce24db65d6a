"""A plan as tables, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tempo.cli.changes import duration
from tempo.cli.plan_costs import Bill, Item
from tempo.core.records import Plan, PlannedRun
from tempo.records.reuse import ReuseStatus

MOST_ROWS = 200
"""Rows of a table; a plan of thousands is for --json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan and what is known beside it.

    `found`: what is recorded of a run; `elsewhere`: the other studies that planned it; `counts` and
    `architectures` by variant, empty when not asked for.
    """

    plan: Plan
    found: Mapping[str, ReuseStatus]
    elsewhere: Mapping[str, Sequence[str]]
    counts: Mapping[str, Mapping[str, int]]
    architectures: Mapping[str, Sequence[str]]
    bill: Bill | None
    power: str | None
    root: Path
    reuse_stale: bool

    def state(self, run: PlannedRun) -> str:
        """How a run stands: planned, complete, or stale, and what is to be known of its result."""
        found = self.found.get(run.run_id, ReuseStatus())
        if found.stale and not self.reuse_stale:
            return "stale: made by other code, will be made again (or --reuse-stale)"
        if not found.complete:
            return "planned"
        others = self.elsewhere.get(run.run_id, ())
        said = [
            *([f"also of {', '.join(others)}"] if others else []),
            *(["made by other code"] if found.stale else []),
            *found.beside,
        ]
        return f"complete ({'; '.join(said)})" if said else "complete"

    @property
    def reusable(self) -> list[str]:
        """The ids of the runs whose results are taken as they are."""
        reusable = {
            name for name, each in self.found.items() if each.reusable(stale_too=self.reuse_stale)
        }
        return sorted(reusable)


# --- JSON ------------------------------------------------------------------------------------


def print_json(view: PlanView) -> None:
    """The plan and all that is known beside it; one line a variant and a run."""
    value = view.plan.to_json() | {
        "counts": view.counts,
        "complete": view.reusable,
        "stale": sorted(name for name, each in view.found.items() if each.stale),
        "reused": {
            name: {"studies": list(view.elsewhere.get(name, ())), "beside": view.found[name].beside}
            for name in view.reusable
        },
        "power": view.power,
    }
    if view.bill:
        value |= view.bill.to_json(view.found, stale_too=view.reuse_stale)
    lines = (f"  {json.dumps(key)}: {_listed(each)}" for key, each in value.items())
    print("{\n" + ",\n".join(lines) + "\n}")


def _listed(value: Any) -> str:
    """A list of records with one of them a line: indenting all of it takes ten times as long."""
    if not (isinstance(value, list | tuple) and value and isinstance(value[0], Mapping)):
        return json.dumps(value)
    return "[\n    " + ",\n    ".join(map(json.dumps, value)) + "\n  ]"


# --- tables ----------------------------------------------------------------------------------


def print_tables(view: PlanView, console: Console) -> None:
    plan = view.plan
    console.print(f"{plan.study}: {plan.question.strip() or '(no question given)'}", markup=False)
    console.print(_variants(view))
    _say_rest(console, len(plan.variants), "variants")
    for name, summary in view.architectures.items():
        console.print(f"\n{name}", *summary, sep="\n", markup=False, soft_wrap=True)
    if view.architectures:
        console.print()
    if view.counts or view.bill:
        console.print(_costs(view))
    console.print(_runs(view))
    _say_rest(console, len(plan.runs), "runs")
    for line in _remarks(view):
        console.print(line, markup=False, soft_wrap=True)


def _say_rest(console: Console, rows: int, what: str) -> None:
    if rows > MOST_ROWS:
        console.print(f"... and {rows - MOST_ROWS:,} more {what}; --json lists all")


def _remarks(view: PlanView) -> Iterator[str]:
    plan = view.plan
    for exclusion in plan.exclusions[:MOST_ROWS]:
        yield f"excluded {dict(exclusion.levels)}: {exclusion.reason}"
    if len(plan.exclusions) > MOST_ROWS:
        yield f"... and {len(plan.exclusions) - MOST_ROWS:,} more exclusions"
    for group in plan.aliases:
        yield f"cannot be told apart: {' = '.join(group)}"
    yield from plan.notes
    if view.power:
        yield view.power
    stale = sum(each.stale for each in view.found.values())
    made = f", {stale} stale" if stale else ""
    yield f"{len(plan.runs)} runs, {len(view.reusable)} complete{made} in {view.root}"
    if view.bill:
        yield from _total(view.bill, view)


def _total(bill: Bill, view: PlanView) -> Iterator[str]:
    for name, why in bill.failed.items():
        yield f"no price for {name!r}: {why}"
    total = bill.left(view.found, stale_too=view.reuse_stale)
    unit = "CPU-hours" if bill.devices == "cpu" else "GPU-hours"
    disk = "" if total.disk is None else f", at most {_bytes(total.disk)} of disk"
    yield (
        f"{total.runs} runs to do: {_hours(total.device_hours)} {unit} on {bill.devices}{disk}; "
        f"about {duration(total.seconds)} with {total.slots} at a time (each measured alone)"
    )


def _variants(view: PlanView) -> Table:
    """A row a variant, and below it what differs from the control."""
    plan = view.plan
    table = Table(title="variants", title_justify="left", box=None, pad_edge=False)
    table.add_column("variant", overflow="fold")
    table.add_column("role", no_wrap=True)
    control = plan.variant(plan.baseline or plan.variants[0].name).config
    for variant in plan.variants[:MOST_ROWS]:
        label = Text(variant.name)
        if variant.role != "reference":
            label.append(_difference(control, variant.config), style="dim")
        table.add_row(label, _plain(variant.role))
    return table


def _costs(view: PlanView) -> Table:
    """A row a variant: what its network weighs, and what its run costs."""
    bill = view.bill
    table = Table(title="costs", title_justify="left", box=None, pad_edge=False)
    table.add_column("variant", overflow="fold")
    names = ["parameters", "MACs", "activations"] if view.counts else []
    for name in (*names, *(PRICED if bill else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for variant in view.plan.variants[:MOST_ROWS]:
        cells = [variant.name]
        cells += _weight(view.counts.get(variant.name)) if view.counts else []
        cells += _priced(bill.items.get(variant.name)) if bill else []
        table.add_row(*map(_plain, cells))
    return table


PRICED = ("steps", "ms/step", "memory", "set-up", "validation", "test", "hours/run", "disk/run")
"""Columns of --price. Set-up holds compilation and the first steps; memory is the peak;
hours are of all devices of a run."""


def _priced(item: Item | None) -> list[str]:
    if item is None:
        return ["-"] * len(PRICED)
    price, cost = item.price, item.cost
    trained = bool(price.steps)
    return [
        f"{cost.steps:,}" if trained else "-",
        _three(price.step_ms) if trained else "-",
        _bytes(price.peak_memory),
        _time(price.setup_s),
        _time(price.validation_s) if trained else "-",
        _time(price.evaluation_s),
        _hours(cost.device_hours),
        "-" if cost.disk is None else _bytes(cost.disk),
    ]


def _weight(cost: Mapping[str, int] | None) -> list[str]:
    if cost is None:
        return ["-", "-", "-"]
    macs, activations = cost["macs"], cost["activation_bytes"]
    return [f"{cost['parameters']:,}", f"{macs / 1e9:.3g} G", _bytes(activations)]


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 100 else duration(seconds)


def _three(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _hours(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:,.3g} TiB"


def _plain(text: str) -> Text:
    """Cells are text, never rich's markup: a label may hold brackets."""
    return Text(text)


def _difference(control: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """`path=value` on lines of their own; a slot of another kind is named by its kind alone."""
    changes = [f"{path}={value}" for path, value in _changes(control, config, "")]
    return "".join(f"\n    {line}" for line in changes)


def _changes(
    control: Mapping[str, Any], config: Mapping[str, Any], path: str
) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        here = f"{path}.{key}" if path else key
        other = control.get(key)
        if value == other:
            continue
        if not (isinstance(value, Mapping) and isinstance(other, Mapping)):
            yield here, json.dumps(value)
        elif value.get("kind") != other.get("kind"):
            yield here, str(value.get("kind"))
        else:
            yield from _changes(other, value, here)


def _runs(view: PlanView) -> Table:
    table = Table(title="runs", title_justify="left", box=None, pad_edge=False)
    for name in ("run", "variant", "seed", "state"):
        table.add_column(name)
    for run in view.plan.runs[:MOST_ROWS]:
        seed = "-" if run.seed is None else str(run.seed)
        table.add_row(*map(_plain, [run.run_id, run.variant, seed, view.state(run)]))
    return table
