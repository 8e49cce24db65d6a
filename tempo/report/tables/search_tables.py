"""Build the tables of a search: trials, confirmation, importance, space, budget, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tempo.records import search_record as record
from tempo.report import search_trials as of
from tempo.report.formats import numbers
from tempo.report.formats.cells import Links
from tempo.report.formats.phrases import METHODS, sentences, title, title_of
from tempo.report.formats.table import Cell, Column, Line, NotApplicable, Table, words

MOST = 300
"""Trials in the table; the page lists the runs of every trial."""


def interval(found: record.Estimate | None, digits: int, *, sign: bool = False) -> str:
    """Return `31.20 [31.05, 31.35]`; the mean alone where there is no interval."""
    if found is None:
        return numbers.MISSING
    write = numbers.signed if sign else numbers.fixed
    ends = numbers.bounds(found.low, found.high, digits, sign)
    return f"{write(found.mean, digits)} {ends}".rstrip()


def trials(summary: record.SearchSummary, most: int | None = MOST) -> Table | NotApplicable:
    """Return the trials with their parameters: winners first, then at most `most` in all.

    Trials that the spec enqueued are always shown. None for `most`: every trial.
    """
    if not summary.trials:
        return NotApplicable("no trial has begun")
    links, ordered = of.trial_links(summary), of.ordered(summary)
    shown = [
        trial
        for place, trial in enumerate(ordered)
        if most is None or place < most or trial.origin == "enqueued"
    ]
    columns = (
        *words("trial"),
        Column("number", detail=True),
        *words("state"),
        *(Column(title(info), info.unit) for info in summary.objectives),
        Column("seeds"),
        *(Column(each.name, numeric=not each.levels) for each in summary.space),
        Column("time", detail=True),
        Column("why", numeric=False, detail=True),
    )
    caption = sentences(
        "Trials, winners first; values are means over seeds on validation.",
        "In brackets: the last validation of a trial that was stopped.",
        f"The best {len(shown)} of {len(ordered)}." if len(shown) < len(ordered) else "",
    )
    lines = tuple(_trial(each, summary, links.to(each.variant)) for each in shown)
    return Table("trials", caption, columns, lines).without_empty_columns()


def _trial(trial: record.TrialRecord, summary: record.SearchSummary, link: str) -> Line:
    done = sum(bool(run.values) for run in trial.runs)
    asked = len(trial.runs) if trial.origin == "warm_start" else len(summary.seeds)
    outside = f"the space has no such {', '.join(trial.outside)}" if trial.outside else ""
    number = numbers.MISSING if trial.number is None else str(trial.number)
    cells = (
        Cell(trial.variant, trial.variant, link),
        Cell(number, trial.number),
        Cell(of.state(trial), tone="" if of.finished(trial) is not None else "quiet"),
        *(_objective(trial, summary, index, link) for index in range(len(summary.objectives))),
        Cell(f"{done}/{asked}", done),
        *(
            Cell(of.setting(chosen), chosen)
            for chosen in (trial.params.get(each.name) for each in summary.space)
        ),
        Cell(numbers.duration(trial.seconds), trial.seconds),
        Cell(trial.note or outside, tone="quiet"),
    )
    best = trial.variant in (summary.front or summary.best)
    return Line(cells, tone="baseline" if best else "failed" if trial.state == "failed" else "")


def _objective(
    trial: record.TrialRecord, summary: record.SearchSummary, index: int, link: str
) -> Cell:
    """Return a trial's value, in brackets where not all seeds ran, with each seed's as hint."""
    digits = summary.objectives[index].digits
    value, last = of.finished(trial, index), of.reached(trial, index)
    text = numbers.fixed(last, digits)
    hint = "; ".join(
        f"seed {run.seed}: {numbers.fixed(run.values[index], digits)}"
        for run in trial.runs
        if len(run.values) > index
    )
    return Cell(text if value is not None or last is None else f"({text})", last, link, hint)


def confirmation(summary: record.SearchSummary) -> Table | NotApplicable:
    """Return what the search believed of a trial, what fresh seeds say, and the difference."""
    if not summary.confirmed:
        return NotApplicable("nothing has been run again on fresh seeds")
    info, links = summary.objectives[0], of.trial_links(summary)
    others = list(dict.fromkeys(n for c in summary.confirmed for n in (*c.gain, *c.without_gain)))
    tested = list(dict.fromkeys(name for each in summary.confirmed for name in each.test))
    columns = (
        *words("trial", "role"),
        Column("fresh seeds"),
        Column("search, validation", info.unit),
        Column("fresh, validation", info.unit),
        Column("shrinkage", info.unit, hint="negative: the search was optimistic"),
        *(
            column
            for name in others
            for column in (
                Column(f"minus {name}{_split(summary, name)}", info.unit),
                Column(f"against {name}", numeric=False),
            )
        ),
        # Beside gains, which are on test, a terminal has no room for the values themselves.
        *(Column(f"test {title_of(name)}", detail=bool(others)) for name in tested),
    )
    lines = tuple(
        _confirmed(each, (others, tested), info.digits, links) for each in summary.confirmed
    )
    caption, notes = _confirmation_caption(summary), tuple(of.without_verdict(summary))
    return Table("confirmation", caption, columns, lines, notes).without_empty_columns()


def _split(summary: record.SearchSummary, other: str) -> str:
    """Return `, test` where the gains over a trial are of the test clips; older ones are not."""
    gains = [each.gain[other] for each in summary.confirmed if other in each.gain]
    return ", test" if any(gain.clips for gain in gains) else ""


def _confirmation_caption(summary: record.SearchSummary) -> str:
    """Return what is shown, and for each 95 % interval what varies in it."""
    known = summary.confirmed
    covered = [
        *(("Fresh", each.fresh.covers) for each in known if each.fresh is not None),
        *(("Shrinkage", each.shrinkage.covers) for each in known if each.shrinkage is not None),
        *(("Minus", gain.covers) for each in known for gain in each.gain.values()),
    ]
    family = max((gain.family for each in known for gain in each.gain.values()), default=0)
    return sentences(
        f"{title(summary.objectives[0])} over fresh seeds, with 95% t intervals.",
        "Shrinkage: how far the value fell back from what the search believed (negative: the",
        "search was optimistic); it describes and decides nothing.",
        *(f"{name}: the interval covers {it}." for name, it in dict.fromkeys(covered) if it),
        f"Words and intervals of the {family} comparisons hold for all of them together (Holm)."
        if family > 1
        else "",
    )


def _confirmed(
    each: record.Confirmation, names: tuple[list[str], list[str]], digits: int, links: Links
) -> Line:
    (others, tested), link = names, links.to(each.variant)
    count = each.fresh.count if each.fresh is not None else 0

    def cell(found: record.Estimate | None, places: int, *, sign: bool = False) -> Cell:
        hint = f"the interval covers {found.covers}" if found and found.covers else ""
        return Cell(interval(found, places, sign=sign), found.mean if found else None, link, hint)

    cells = (
        Cell(each.trial, each.trial, links.to(each.trial)),
        Cell(each.role),
        Cell(str(count), count, link),
        Cell(interval(each.search, digits), each.search.mean, links.to(each.trial)),
        cell(each.fresh, digits),
        cell(each.shrinkage, digits, sign=True),
        *(
            one
            for name in others
            for one in (cell(each.gain.get(name), digits, sign=True), _word(each, name))
        ),
        *(cell(each.test.get(name), 4 if "ssim" in name else 2) for name in tested),
    )
    return Line(cells, tone="baseline" if each.role == "best" else "")


def _word(each: record.Confirmation, other: str) -> Cell:
    """Return the verdict on a gain, with its reason as hint."""
    gain = each.gain.get(other)
    if gain is None:
        reason = each.without_gain.get(other, "")
        return Cell("no verdict", "no verdict", "", reason, "quiet") if reason else Cell("")
    word = gain.word or "no verdict"
    return Cell(word, word, "", gain.reason, gain.word or "quiet")


def importance(summary: record.SearchSummary) -> Table | NotApplicable:
    """Return the share that each parameter explains, beside what noise alone reaches."""
    if not summary.importances:
        return NotApplicable("too few finished trials tell the parameters apart")
    columns = (
        *words("parameter", "objective", "method"),
        Column("share"),
        Column("interval"),
        Column("noise alone", hint="the share that permuted values exceed one time in 20"),
        Column("reading", numeric=False),
    )
    lines = tuple(
        Line.of(
            Cell(each.parameter, each.parameter),
            Cell(title_of(each.objective)),
            Cell(METHODS[each.evaluator]),
            Cell(numbers.fixed(each.share, 2), each.share),
            Cell(numbers.bounds(each.low, each.high, 2, sign=False)),
            Cell(numbers.fixed(each.noise, 2), each.noise),
            Cell(of.reading(each), tone="" if each.above_noise else "quiet"),
        )
        for each in sorted(summary.importances, key=lambda each: -each.share)
    )
    return Table("importance", of.importance_caption(summary), columns, lines)


def space(summary: record.SearchSummary) -> Table | NotApplicable:
    """Return what the search may vary."""
    return space_table(summary.space) if summary.space else NotApplicable("the space is empty")


def space_table(parameters: Sequence[record.ParameterInfo]) -> Table:
    """Return the parameters of a space: the fields that each sets, its values, its condition."""
    lines = tuple(
        Line.of(
            Cell(each.name, each.name),
            Cell(", ".join(each.paths), tone="code"),
            Cell(of.values_of(each)),
            Cell("; ".join(f"{k} is {' or '.join(v)}" for k, v in each.when.items())),
        )
        for each in parameters
    )
    columns = words("parameter", "sets", "values", "only when")
    return Table("space", "What the search may vary.", columns, lines).without_empty_columns()


def budget(summary: record.SearchSummary) -> Table | NotApplicable:
    """Return what was allowed and what was used."""
    lines = tuple(
        Line.of(
            Cell(title_of(name), name),
            Cell(_amount(allowed), allowed),
            Cell(_amount(used), used, "#runs"),
        )
        for name, allowed, used in spending(summary)
    )
    caption = "Budget: device hours of all runs, hours in which one was running."
    columns = (*words("budget"), Column("allowed"), Column("used"))
    return Table("budget", caption, columns, lines)


def spending(summary: record.SearchSummary) -> Iterator[tuple[str, float | None, float | None]]:
    """Yield name, allowed and used; None without a limit, or where a use is not recorded."""
    spent = {
        "trials": float(summary.spent.trials),
        "device_hours": summary.spent.device_hours,
        "hours": summary.spent.hours,
    }
    for name in dict.fromkeys([*spent, *summary.budget]):
        yield name, summary.budget.get(name), spent.get(name)


def _amount(value: float | None) -> str:
    return numbers.MISSING if value is None else f"{value:.4g}"


def rejected(summary: record.SearchSummary) -> Table | NotApplicable:
    """Return the proposals that were never trained, by reason."""
    if not summary.rejected:
        return NotApplicable("every proposal was valid and kept every constraint")
    most = sorted(summary.rejected.items(), key=lambda item: -item[1])
    lines = tuple(Line((Cell(reason), Cell(str(count), count))) for reason, count in most)
    caption = "Proposals that broke a constraint or were no valid configuration; none was trained."
    return Table("rejected", caption, (*words("reason"), Column("proposals")), lines)


SEARCH_TABLES: dict[str, Callable[[record.SearchSummary], Table | NotApplicable]] = {
    "trials": trials,
    "confirmation": confirmation,
    "importance": importance,
    "space": space,
    "budget": budget,
    "rejected": rejected,
}
