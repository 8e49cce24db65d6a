"""`tempo plan`: what a spec expands to, without running anything."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from tempo.cli import options as shared
from tempo.cli.console import make_console
from tempo.core.records import Plan
from tempo.design.expand import expand
from tempo.records.layout import Store
from tempo.records.tail import is_complete
from tempo.spec.load import load_study
from tempo.spec.study import RunConfig

EPILOG = """examples:
  tempo plan ablations/se_dilation.yaml
  tempo plan ablations/se_dilation.yaml --profile demo --counts
  tempo plan experiments/tempo_v3.yaml --arch
  tempo plan ablations/se_dilation.yaml --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "List variants and runs of a spec without running anything."
    parser.epilog = EPILOG
    shared.add_spec(parser)
    shared.add_records(parser)
    add_plan_options(parser)
    parser.set_defaults(handler=execute)


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """What `tempo plan` and `tempo run --plan` share."""
    parser.add_argument(
        "--counts", action="store_true", help="with the plan: parameters and MACs (imports torch)"
    )
    parser.add_argument(
        "--arch",
        action="store_true",
        help="with the plan: each network stage by stage (imports torch)",
    )
    parser.add_argument("--json", action="store_true", help="with the plan: print it as JSON")


def execute(options: argparse.Namespace) -> int:
    loaded = load_study(options.spec, profile=options.profile, overrides=options.overrides)
    return show_plan(expand(loaded), Store(options.records), options)


def show_plan(plan: Plan, store: Store, options: argparse.Namespace) -> int:
    """Print the plan as tables or as JSON."""
    counts = count_all(plan) if options.counts else {}
    done = {run.run_id for run in plan.runs if is_complete(store.run_dir(run.run_id))}
    if options.json:
        value = plan.to_json() | {"counts": counts, "complete": sorted(done)}
        print(json.dumps(value, indent=2))
        return 0
    console = make_console()
    console.print(f"{plan.study}: {plan.question.strip() or '(no question given)'}", markup=False)
    console.print(_variants(plan, counts))
    if options.arch:
        for name, summary in architectures(plan).items():
            console.print(f"\n{name}", *summary, sep="\n", markup=False, soft_wrap=True)
        console.print()
    console.print(_runs(plan, done))
    for exclusion in plan.exclusions:
        console.print(f"excluded {dict(exclusion.levels)}: {exclusion.reason}", markup=False)
    console.print(f"{len(plan.runs)} runs, {len(done)} complete in {store.root}", markup=False)
    return 0


def _variants(plan: Plan, counts: Mapping[str, Mapping[str, int]]) -> Table:
    """A row a variant, and below it what differs from the control."""
    table = Table(title="variants", title_justify="left", box=None, pad_edge=False)
    table.add_column("variant", overflow="fold")
    table.add_column("role", no_wrap=True)
    if counts:
        table.add_column("parameters", justify="right", no_wrap=True)
        table.add_column("MACs", justify="right", no_wrap=True)
    control = plan.variant(plan.baseline or plan.variants[0].name).config
    for variant in plan.variants:
        label = Text(variant.name)
        if variant.role != "reference":
            label.append(_difference(control, variant.config), style="dim")
        cells = [_plain(variant.role)]
        if counts:
            cells += map(_plain, _weight(counts.get(variant.name)))
        table.add_row(label, *cells)
    return table


def _weight(cost: Mapping[str, int] | None) -> list[str]:
    if cost is None:
        return ["-", "-"]
    return [f"{cost['parameters']:,}", f"{cost['macs'] / 1e9:.3g} G"]


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


def _runs(plan: Plan, done: set[str]) -> Table:
    table = Table(title="runs", title_justify="left", box=None, pad_edge=False)
    for name in ("run", "variant", "seed", "state"):
        table.add_column(name)
    for run in plan.runs:
        seed = "-" if run.seed is None else str(run.seed)
        state = "complete" if run.run_id in done else "planned"
        table.add_row(*map(_plain, [run.run_id, run.variant, seed, state]))
    return table


def count_all(plan: Plan) -> dict[str, dict[str, int]]:
    """Parameters and MACs (one forward pass at the training crop) of each variant's network."""
    from tempo.models.count import count

    counted = {
        name: count(config.arch, height=config.recipe.crop, width=config.recipe.crop)
        for name, config in _networks(plan)
    }
    return {
        name: {"parameters": cost.parameters, "macs": cost.macs} for name, cost in counted.items()
    }


def architectures(plan: Plan) -> dict[str, list[str]]:
    """Each variant's network stage by stage, as lines; equal networks are described once."""
    from tempo.models.count import summarise, text

    described: dict[Any, str] = {}
    out: dict[str, list[str]] = {}
    for name, config in _networks(plan):
        key = (config.arch.model_dump_json(), config.recipe.crop)
        if key in described:
            out[name] = [f"as {described[key]}"]
            continue
        described[key] = name
        crop = config.recipe.crop
        out[name] = text(summarise(config.arch, height=crop, width=crop))
    return out


def _networks(plan: Plan) -> Iterator[tuple[str, RunConfig]]:
    for variant in plan.variants:
        config = RunConfig.model_validate(variant.config)
        if config.method == "network":
            yield variant.name, config
