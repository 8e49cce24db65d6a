"""Print a plan as tables. Cells are rich's texts, no markup: a label may hold brackets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tempo.cli.render.console import duration, plain_table, say
from tempo.core.counted import counted
from tempo.workflow.plan.bill import Bill, Item
from tempo.workflow.plan.seed_forecast import PlanForecast
from tempo.workflow.plan.study_plan import StudyPlan

MOST_ROWS = 200
"""Rows of a table; a plan of thousands is for --json."""


def print_tables(view: StudyPlan, console: Console) -> None:
    """Print variants, costs, runs and remarks."""
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
    if view.seeds is not None and (forecast := view.forecast()) is not None:
        console.print(_forecast(view, forecast))
    _say_rest(console, len(plan.runs), "runs")
    for line in _remarks(view):
        say(console, line)


def _say_rest(console: Console, rows: int, what: str) -> None:
    if rows > MOST_ROWS:
        console.print(f"... and {rows - MOST_ROWS:,} more {what}; --json lists all")


def _remarks(view: StudyPlan) -> Iterator[str]:
    plan = view.plan
    for exclusion in plan.exclusions[:MOST_ROWS]:
        levels = " ".join(f"{factor}={label}" for factor, label in exclusion.levels.items())
        yield f"excluded {levels or exclusion.variant}: {exclusion.reason}"
    if len(plan.exclusions) > MOST_ROWS:
        yield f"... and {len(plan.exclusions) - MOST_ROWS:,} more exclusions"
    for group in plan.aliases:
        yield f"cannot be told apart: {' = '.join(group)}"
    yield from plan.notes
    yield from view.starts
    if view.seeds is not None:
        yield from view.seeds.sentences()
    yield from view.rule
    if view.power:
        yield view.power
    stale = sum(each.stale for each in view.found.values())
    made = f", {stale} stale" if stale else ""
    yield f"{counted(len(plan.runs), 'run')}, {len(view.reusable)} complete{made} in {view.root}"
    if view.bill:
        yield from _total(view.bill, view)


def _forecast(view: StudyPlan, forecast: PlanForecast) -> Table:
    """A row a true difference that all contrasts may have: seeds, runs, chances."""
    table = plain_table("forecast by seed noise, if all contrasts differ by")
    hours = view.device_hours() if view.bill else None
    for name in ("dB", "seeds", "runs", *(["hours"] if hours is not None else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("better or worse", "equivalent"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in forecast.rows:
        cells = [f"{row.difference:g}", f"{row.seeds:.1f} of {forecast.most}"]
        cells.append(f"{row.share * forecast.most_runs:.0f} of {forecast.most_runs}")
        cells += [_three(row.share * hours)] if hours is not None else []
        table.add_row(*cells, f"{row.different:.0%}", f"{row.equivalent:.0%}")
    return table


SUMS = {"next_look": " before the next look", "total": ""}
"""The sums of a priced plan, in the order to print them."""


def _total(bill: Bill, view: StudyPlan) -> Iterator[str]:
    for name, why in bill.failed.items():
        yield f"no price for {name!r}: {why}"
    unit = "CPU-hours" if bill.devices == "cpu" else "GPU-hours"
    sums = view.sums()
    for name, what in SUMS.items():
        if name not in sums:
            continue
        each = sums[name]
        disk = "" if each.disk is None else f", at most {_bytes(each.disk)} of disk"
        of = "at most " if name == "total" and len(sums) > 1 else ""
        yield (
            f"{of}{counted(each.runs, 'run')} to do{what}: {_three(each.device_hours)} {unit} on "
            f"{bill.devices}{disk}; about {duration(each.seconds)} with {each.slots} at a time "
            "(each measured alone)"
        )


def _variants(view: StudyPlan) -> Table:
    """A row a variant, and below it what differs from the control."""
    plan = view.plan
    table = plain_table("variants")
    table.add_column("variant", overflow="fold")
    table.add_column("role", no_wrap=True)
    priority = view.priorities
    if priority:
        table.add_column("priority", justify="right", no_wrap=True)
    control = plan.variant(plan.baseline or plan.variants[0].name).config
    for variant in plan.variants[:MOST_ROWS]:
        label = Text(variant.name)
        if variant.role != "reference":
            label.append(_difference(control, variant.config), style="dim")
        ranked = [Text(str(priority[variant.name]))] if priority else []
        table.add_row(label, Text(variant.role), *ranked)
    return table


def _costs(view: StudyPlan) -> Table:
    """A row a variant: what its network weighs, and what its run costs."""
    bill = view.bill
    table = plain_table("costs")
    table.add_column("variant", overflow="fold")
    names = ["parameters", "MACs", "activations"] if view.counts else []
    for name in (*names, *(PRICED if bill else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for variant in view.plan.variants[:MOST_ROWS]:
        cells = [variant.name]
        cells += _weight(view.counts.get(variant.name)) if view.counts else []
        cells += _priced(bill.items.get(variant.name)) if bill else []
        table.add_row(*map(Text, cells))
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
        _three(cost.device_hours),
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


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:,.3g} TiB"


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
        if value == other or here == "plugins":
            continue
        if not (isinstance(value, Mapping) and isinstance(other, Mapping)):
            yield here, json.dumps(_without_nulls(value))
        elif value.get("kind") != other.get("kind"):
            # A network of a plug-in is called by its class.
            yield here, _named(value)
        else:
            yield from _changes(other, value, here)


def _without_nulls(value: Any) -> Any:
    """Return a value of a config without the fields of its inner mappings that nothing fills."""
    if isinstance(value, Mapping):
        return {
            name: _without_nulls(each)
            for name, each in value.items()
            if each is not None and each != []
        }
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def _named(slot: Mapping[str, Any]) -> str:
    kind, target = str(slot.get("kind")), slot.get("target")
    given = ", ".join(f"{name}={json.dumps(each)}" for name, each in _options(slot).items())
    return f"{target}({given})" if target else kind


def _options(slot: Mapping[str, Any]) -> Mapping[str, Any]:
    options = slot.get("options")
    return options if isinstance(options, Mapping) else {}


def _runs(view: StudyPlan) -> Table:
    table = plain_table("runs")
    for name in ("run", "variant", "seed", "state"):
        table.add_column(name)
    for run in view.plan.runs[:MOST_ROWS]:
        seed = "-" if run.seed is None else str(run.seed)
        table.add_row(*map(Text, [run.run_id, run.variant, seed, view.state(run)]))
    return table
