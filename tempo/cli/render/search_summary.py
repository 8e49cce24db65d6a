"""Print what a search found, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tempo.cli.render.run_changes import duration
from tempo.records.search_record import (
    Estimate,
    ObjectiveInfo,
    ParameterInfo,
    SearchSummary,
    TrialRecord,
)

SHOWN = 15
"""Trials of the table unless all are asked for."""


def show_summary(summary: SearchSummary, console: Console, *, every: bool = False) -> None:
    """Print trials, confirmation and importance."""
    console.print(f"{summary.study}: {summary.question.strip() or '(no question)'}", markup=False)
    console.print(_trials(summary, every=every))
    if summary.front:
        console.print(f"Pareto front: {', '.join(summary.front)}", markup=False, soft_wrap=True)
    for reason, count in summary.rejected.items():
        console.print(f"{count} proposals not trained: {reason}", markup=False, soft_wrap=True)
    if summary.confirmed:
        console.print(_confirmed(summary))
        console.print(
            "search: mean over the search's seeds; fresh: over seeds it never saw, with a 95 % "
            "interval; shrinkage: what of the search's value was luck, when negative.",
            markup=False,
            soft_wrap=True,
        )
    if summary.importances:
        console.print(_importance(summary))
    for line in _closing(summary):
        console.print(line, markup=False, soft_wrap=True)


def show_space(space: Sequence[ParameterInfo], console: Console) -> None:
    """Print what a search may vary."""
    table = _table("space")
    for name in ("factor", "values", "when"):
        table.add_column(name, overflow="fold")
    for each in space:
        when = ", ".join(f"{name} is {' or '.join(ls)}" for name, ls in each.when.items())
        table.add_row(*map(Text, (each.name, _values(each), when)))
    console.print(table)


def _values(each: ParameterInfo) -> str:
    if each.levels:
        return " | ".join(each.levels)
    extra = " log" if each.log else f" by {each.step:g}" if each.step else ""
    return f"{each.low:g} .. {each.high:g}{extra}{' whole' if each.whole else ''}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False)


def _ordered(summary: SearchSummary) -> list[TrialRecord]:
    """Trials with all their seeds first, best first; the others behind them."""
    first = summary.objectives[0]
    sign = -1.0 if first.better == "higher" else 1.0

    def key(trial: TrialRecord) -> tuple[int, float]:
        whole = trial.state in {"complete", "outside"} and not trial.raced
        rank = 0 if whole else 1 if trial.values else 2
        return rank, sign * trial.values[0] if trial.values else 0.0

    return sorted(summary.trials, key=key)


def _trials(summary: SearchSummary, *, every: bool) -> Table:
    trials = _ordered(summary)
    named = {trial.variant for trial in trials if trial.origin == "enqueued"}
    shown = [
        trial for i, trial in enumerate(trials) if every or i < SHOWN or trial.variant in named
    ]
    left = len(trials) - len(shown)
    table = _table(f"trials{f' (best {len(shown)} of {len(trials)})' if left else ''}")
    table.add_column("trial", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for info in summary.objectives:
        unit = f" {info.unit}" if info.unit else ""
        table.add_column(f"{info.name}{unit}", justify="right", no_wrap=True)
    table.add_column("seeds", justify="right")
    for each in summary.space:
        table.add_column(each.name, justify="right", overflow="fold")
    for trial in shown:
        table.add_row(*map(Text, _row(trial, summary)))
    return table


def _row(trial: TrialRecord, summary: SearchSummary) -> Iterator[str]:
    star = "* " if trial.variant in (summary.front or summary.best) else "  "
    yield star + trial.variant
    yield _state(trial)
    for index, info in enumerate(summary.objectives):
        yield number(trial.values[index], info) if trial.values else _last(trial)
    done = sum(bool(run.values) for run in trial.runs)
    asked = len(trial.runs) if trial.origin == "warm_start" else len(summary.seeds)
    yield f"{done}/{asked}"
    for each in summary.space:
        value = trial.params.get(each.name, "")
        yield value if isinstance(value, str) else f"{value:.4g}"


def _state(trial: TrialRecord) -> str:
    if trial.raced:
        return "raced out"
    if trial.state == "outside":
        return "outside the space"
    if trial.origin == "warm_start":
        return "known before"
    if trial.state == "pruned" and trial.curve:
        return f"pruned at {trial.curve[-1][0]}"
    return trial.state


def _last(trial: TrialRecord) -> str:
    return f"({trial.curve[-1][1]:.2f})" if trial.curve else "-"


def number(value: float, info: ObjectiveInfo) -> str:
    """A value with the objective's digits, whole numbers grouped."""
    return f"{value:,.{info.digits}f}"


def _confirmed(summary: SearchSummary) -> Table:
    info = summary.objectives[0]
    table = _table(f"confirmation on fresh seeds ({info.name} on validation; test beside it)")
    for name in ("trial", "role", "search", "fresh", "shrinkage", "test PSNR dB"):
        table.add_column(name, justify="left" if name in {"trial", "role"} else "right")
    others = sorted({name for each in summary.confirmed for name in each.gain})
    for name in others:
        table.add_column(f"minus {name}", justify="right")
    for each in summary.confirmed:
        cells = [each.trial, each.role, interval(each.search, info.digits)]
        cells += [
            interval(each.fresh, info.digits),
            interval(each.shrinkage, info.digits, sign=True),
        ]
        cells.append(interval(each.test.get("psnr"), 2))
        cells += [interval(each.gain.get(name), info.digits, sign=True) for name in others]
        table.add_row(*map(Text, cells))
    return table


def interval(found: Estimate | None, digits: int, *, sign: bool = False) -> str:
    """`31.20 [31.05, 31.35]`; a dash where nothing is known."""
    if found is None:
        return "-"
    form = f"{'+' if sign else ''},.{digits}f"
    text = format(found.mean, form)
    if found.low is None or found.high is None:
        return text
    return f"{text} [{format(found.low, form)}, {format(found.high, form)}]"


def _importance(summary: SearchSummary) -> Table:
    table = _table("importance (share of variance, 95 % bootstrap over the trials)")
    table.add_column("factor")
    heads = list(dict.fromkeys((each.evaluator, each.objective) for each in summary.importances))
    for evaluator, objective in heads:
        name = {"fanova": "fANOVA", "ped_anova": "PED-ANOVA"}[evaluator]
        table.add_column(f"{name} {objective}", justify="right")
    found = {(e.evaluator, e.objective, e.parameter): e for e in summary.importances}
    for factor in dict.fromkeys(each.parameter for each in summary.importances):
        cells = [factor]
        for head in heads:
            one = found.get((*head, factor))
            cells.append(f"{one.share:.2f} [{one.low:.2f}, {one.high:.2f}]" if one else "-")
        table.add_row(*map(Text, cells))
    return table


def _closing(summary: SearchSummary) -> Iterator[str]:
    yield from summary.rules
    spent = summary.spent
    budget = ", ".join(f"{value:g} {name}" for name, value in summary.budget.items())
    yield (
        f"Spent {spent.trials} trials, {spent.device_hours:.2f} device hours, "
        f"{duration(spent.hours * 3600)} of time (budget: {budget})."
    )
    yield f"Dashboard:  optuna-dashboard {summary.storage}   (study {summary.optuna_study})"
