"""The tables of a search: trials, confirmation, importance, space, budget, refused proposals."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tempo.records.search_record import Confirmation, Estimate, SearchSummary, TrialRecord
from tempo.report.applicability import NotApplicable
from tempo.report.formats import numbers
from tempo.report.formats.phrases import sentences, title_of
from tempo.report.formats.table import Cell, Column, Line, Table, drop_empty
from tempo.report.pages import search_trials as of
from tempo.report.pages.search_trials import TrialLinks

MOST = 300
"""Trials in the table; every one of them is among the runs."""


def interval(found: Estimate | None, digits: int, *, sign: bool = False) -> str:
    """`31.20 [31.05, 31.35]`; the mean alone where there is no interval."""
    if found is None:
        return numbers.MISSING
    write = numbers.signed if sign else numbers.fixed
    ends = numbers.bounds(found.low, found.high, digits, sign)
    return " ".join(filter(None, (write(found.mean, digits), ends)))


def trials(summary: SearchSummary) -> Table | NotApplicable:
    """Every trial with its parameters, winners first."""
    if not summary.trials:
        return NotApplicable("no trial has begun")
    links, shown = TrialLinks.of(summary), of.ordered(summary)
    columns = [Column("trial", numeric=False), Column("number"), Column("state", numeric=False)]
    columns += [Column(of.title(info), info.unit) for info in summary.objectives]
    columns += [Column("seeds")]
    columns += [Column(each.name, numeric=not each.levels) for each in summary.space]
    columns += [Column("time"), Column("why", numeric=False)]
    lines = [_trial(each, summary, links.to(each.variant)) for each in shown[:MOST]]
    kept, rows = drop_empty(columns, lines)
    left = f"The best {MOST} of {len(shown)}." if len(shown) > MOST else ""
    caption = sentences(
        "Trials, winners first; values are means over seeds on validation.",
        "In brackets: the last validation of a trial that was stopped.",
        left,
    )
    return Table("trials", caption, tuple(kept), tuple(rows))


def _trial(trial: TrialRecord, summary: SearchSummary, link: str) -> Line:
    best = trial.variant in (summary.front or summary.best)
    cells = [Cell(trial.variant, trial.variant, link), Cell(_number(trial), trial.number)]
    cells.append(Cell(of.state(trial), tone="" if of.finished(trial) is not None else "quiet"))
    for index, info in enumerate(summary.objectives):
        value, last = of.finished(trial, index), of.reached(trial, index)
        text = numbers.fixed(last, info.digits)
        shown = text if value is not None or last is None else f"({text})"
        cells.append(Cell(shown, last, link, _seeds(trial, index, info.digits)))
    done = sum(bool(run.values) for run in trial.runs)
    asked = len(trial.runs) if trial.origin == "warm_start" else len(summary.seeds)
    cells.append(Cell(f"{done}/{asked}", done))
    for each in summary.space:
        chosen = trial.params.get(each.name)
        cells.append(Cell(of.setting(chosen), chosen))
    cells.append(Cell(numbers.duration(trial.seconds), trial.seconds))
    outside = f"the space has no such {', '.join(trial.outside)}" if trial.outside else ""
    cells.append(Cell(trial.note or outside, tone="quiet"))
    tone = "baseline" if best else "failed" if trial.state == "failed" else ""
    return Line(tuple(cells), tone=tone)


def _number(trial: TrialRecord) -> str:
    return numbers.MISSING if trial.number is None else str(trial.number)


def _seeds(trial: TrialRecord, index: int, digits: int) -> str:
    return "; ".join(
        f"seed {run.seed}: {numbers.fixed(run.values[index], digits)}"
        for run in trial.runs
        if len(run.values) > index
    )


def confirmation(summary: SearchSummary) -> Table | NotApplicable:
    """What the search believed of a trial, what fresh seeds say, and the difference."""
    if not summary.confirmed:
        return NotApplicable("nothing has been run again on fresh seeds")
    info, links = summary.objectives[0], TrialLinks.of(summary)
    others = list(dict.fromkeys(name for each in summary.confirmed for name in each.gain))
    tested = list(dict.fromkeys(name for each in summary.confirmed for name in each.test))
    columns = [Column("trial", numeric=False), Column("role", numeric=False), Column("fresh seeds")]
    columns += [
        Column("search", info.unit),
        Column("fresh", info.unit),
        Column("shrinkage", info.unit, hint="negative: the search was optimistic"),
    ]
    columns += [Column(f"minus {name}", info.unit) for name in others]
    columns += [Column(f"test {title_of(name)}") for name in tested]
    lines = [_confirmed(each, (others, tested), info.digits, links) for each in summary.confirmed]
    kept, rows = drop_empty(columns, lines)
    caption = (
        f"{of.title(info)} on validation over fresh seeds, with 95% t intervals where there are "
        "two seeds or more; differences are paired by seed. Shrinkage: how far the value fell "
        "back from what the search believed (negative: the search was optimistic)."
    )
    return Table("confirmation", caption, tuple(kept), tuple(rows))


def _confirmed(
    each: Confirmation, names: tuple[list[str], list[str]], digits: int, links: TrialLinks
) -> Line:
    others, tested = names
    link = links.to(each.variant)
    fresh = each.fresh

    def cell(found: Estimate | None, places: int, *, sign: bool = False) -> Cell:
        mean = found.mean if found else None
        return Cell(interval(found, places, sign=sign), mean, link)

    cells = [Cell(each.trial, each.trial, links.to(each.trial)), Cell(each.role)]
    cells.append(Cell(str(fresh.count) if fresh else "0", fresh.count if fresh else 0, link))
    search = each.search
    cells.append(Cell(interval(search, digits), search.mean, links.to(each.trial)))
    cells += [cell(fresh, digits), cell(each.shrinkage, digits, sign=True)]
    cells += [cell(each.gain.get(name), digits, sign=True) for name in others]
    cells += [cell(each.test.get(name), 4 if "ssim" in name else 2) for name in tested]
    return Line(tuple(cells), tone="baseline" if each.role == "best" else "")


def importance(summary: SearchSummary) -> Table | NotApplicable:
    """Shares of the variance by parameter, method and objective."""
    if not summary.importances:
        return NotApplicable("too few finished trials tell the parameters apart")
    columns = (
        Column("parameter", numeric=False),
        Column("objective", numeric=False),
        Column("method", numeric=False),
        Column("share"),
        Column("interval"),
    )
    lines = tuple(
        Line(
            (
                Cell(each.parameter, each.parameter),
                Cell(title_of(each.objective)),
                Cell({"fanova": "fANOVA", "ped_anova": "PED-ANOVA"}[each.evaluator]),
                Cell(numbers.fixed(each.share, 2), each.share),
                Cell(numbers.bounds(each.low, each.high, 2, sign=False)),
            )
        )
        for each in sorted(summary.importances, key=lambda each: -each.share)
    )
    caption = "Share of the variance over the trials, with 95% bootstrap intervals over the trials."
    return Table("importance", caption, columns, lines)


def space(summary: SearchSummary) -> Table | NotApplicable:
    """What the search may vary."""
    if not summary.space:
        return NotApplicable("the space is empty")
    columns = (
        Column("parameter", numeric=False),
        Column("sets", numeric=False),
        Column("values", numeric=False),
        Column("only when", numeric=False),
    )
    lines = [
        Line(
            (
                Cell(each.name, each.name),
                Cell(", ".join(each.paths), tone="code"),
                Cell(of.values_of(each)),
                Cell("; ".join(f"{k} is {' or '.join(v)}" for k, v in each.when.items())),
            )
        )
        for each in summary.space
    ]
    kept, rows = drop_empty(columns, lines)
    return Table("space", "The space that was searched.", tuple(kept), tuple(rows))


def budget(summary: SearchSummary) -> Table | NotApplicable:
    """What was allowed and what was used."""
    lines = tuple(
        Line(
            (
                Cell(title_of(name), name),
                Cell(_amount(allowed), allowed),
                Cell(_amount(used), used, "#runs"),
            )
        )
        for name, allowed, used in spending(summary)
    )
    columns = (Column("budget", numeric=False), Column("allowed"), Column("used"))
    caption = "Budget: device hours of all runs, hours in which one was running."
    return Table("budget", caption, columns, lines)


def spending(summary: SearchSummary) -> Iterator[tuple[str, float | None, float | None]]:
    """Name, allowed, used; None where there is no limit, or where a use is not recorded."""
    spent = {
        "trials": float(summary.spent.trials),
        "device_hours": summary.spent.device_hours,
        "hours": summary.spent.hours,
    }
    for name in dict.fromkeys([*spent, *summary.budget]):
        yield name, summary.budget.get(name), spent.get(name)


def _amount(value: float | None) -> str:
    return numbers.MISSING if value is None else f"{value:.4g}"


def rejected(summary: SearchSummary) -> Table | NotApplicable:
    """Proposals that were never trained, by reason."""
    if not summary.rejected:
        return NotApplicable("every proposal was valid and kept every constraint")
    most = sorted(summary.rejected.items(), key=lambda item: -item[1])
    lines = tuple(Line((Cell(reason), Cell(str(count), count))) for reason, count in most)
    columns = (Column("reason", numeric=False), Column("proposals"))
    caption = "Proposals that broke a constraint or were no valid configuration; none was trained."
    return Table("rejected", caption, columns, lines)


SEARCH_TABLES: dict[str, Callable[[SearchSummary], Table | NotApplicable]] = {
    "trials": trials,
    "confirmation": confirmation,
    "importance": importance,
    "space": space,
    "budget": budget,
    "rejected": rejected,
}
