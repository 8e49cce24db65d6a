"""Write the page of a search: its summary, its sections, the runs of its trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tempo.comparison.comparison import Comparison
from tempo.core.own_command import page_command
from tempo.records.search_record import Confirmation, Estimate, SearchSummary, TrialRun
from tempo.report import search_trials as of
from tempo.report.document import write_page
from tempo.report.figures import FIGURES, SEARCH_FIGURES
from tempo.report.figures.export import FORMATS, plates
from tempo.report.formats import numbers
from tempo.report.formats.phrases import title
from tempo.report.formats.table import Cell, Column, words
from tempo.report.pages.page import Page, Section, text
from tempo.report.pages.runs import MlflowView, RunGroup, command
from tempo.report.pages.study_page import study_summary, texts
from tempo.report.pages.summary import Banner, Box, Remark, Summary, demonstration
from tempo.report.tables import TABLES
from tempo.report.tables.search_tables import SEARCH_TABLES, interval, spending

SECTIONS = (
    Section(
        "confirmation",
        "On fresh seeds",
        ("figure:confirmation", "table:confirmation"),
        unfolded=True,
    ),
    Section("history", "All trials", ("figure:history", "table:trials"), unfolded=True),
    Section("importance", "What mattered", ("figure:importance", "table:importance")),
    Section("front", "Pareto front", ("figure:front",)),
    Section("parameters", "Parameters", ("figure:parallel", "figure:slices", "table:space")),
    Section("intermediate", "Validation while training", ("figure:intermediate",)),
    Section("budget", "Budget and rules", ("rules", ("table:budget", "table:rejected"))),
)
CONFIRMED = Section(
    "results",
    "The confirmed trials on the test split",
    ("table:results", "gallery", ("figure:seeds", "figure:forest"), "figure:strip", "failures"),
)
SEARCH = Section("search", "What was searched", ("boxes",), about="the search's facts")
RUNS = Section("runs", "Runs", ("trial_runs", "runs"), about="the runs of every trial")
REPRODUCTION = Section(
    "reproduction", "Reproduction", ("search_reproduction",), about="commands, storage"
)

FROM_STUDY = ("seeds", "forest", "strip")


def write_search_report(
    summary: SearchSummary,
    folder: Path,
    comparison: Comparison | None = None,
    *,
    formats: Sequence[str] = tuple(FORMATS),
) -> Path:
    """Write `index.html`, `report.md`, `figures/` and `tables/` of a search; return the page.

    Args:
        comparison: of the confirmed trials, to be shown in a section of its own.
        formats: of the figures beside the page, of `png`, `pdf` and `svg`.
    """
    figures = plates(SEARCH_FIGURES, summary, formats)
    tables = {name: build(summary) for name, build in SEARCH_TABLES.items()}
    columns, again = trial_columns(summary), command(summary.source, summary.profile)
    told = {
        "rules": text("search_rules.html", summary=summary),
        "trial_runs": text("runs.html", columns=columns, groups=trial_groups(summary)),
        "search_reproduction": text(
            "search_reproduction.html",
            summary=summary,
            command=again,
            compare_command=page_command("compare", summary.study),
            ui=MlflowView.of(summary.study),
        ),
        "runs": "",
    }
    sections: tuple[Section, ...] = (*SECTIONS, SEARCH, RUNS, REPRODUCTION)
    if comparison is not None:
        figures |= plates({name: FIGURES[name] for name in FROM_STUDY}, comparison, formats)
        tables["results"] = TABLES["results"](comparison)
        told |= texts(comparison, folder=folder)
        sections = (*SECTIONS[:2], CONFIRMED, *SECTIONS[2:], SEARCH, RUNS, REPRODUCTION)
    opening = search_summary(summary, comparison)
    told["boxes"] = text("boxes.html", boxes=opening.boxes)
    page = Page(
        kind="search report",
        title=summary.study,
        question=summary.question,
        summary=opening,
        sections=sections,
        figures=figures,
        tables=tables,
        texts=told,
        colophon=f"search {summary.optuna_study}",
    )
    return write_page(page, folder)


def trial_columns(summary: SearchSummary) -> tuple[Column, ...]:
    """Return the columns of the lists of runs: run id, seed, a value for each objective."""
    values = (Column(f"{info.name}, validation") for info in summary.objectives)
    return (*words("run"), Column("seed"), *values)


def trial_groups(summary: SearchSummary) -> Iterator[RunGroup]:
    """Yield the trials in the order of the search, then the confirmations."""
    for place, trial in enumerate(summary.trials):
        params = ", ".join(f"{name} {of.setting(value)}" for name, value in trial.params.items())
        runs = _runs(trial.runs, summary)
        yield RunGroup(f"t{place}", trial.variant, of.state(trial), runs, params)
    for place, each in enumerate(summary.confirmed):
        about = f"{each.role}, on fresh seeds"
        yield RunGroup(f"c{place}", each.variant, about, _runs(each.runs, summary))


def _runs(runs: Sequence[TrialRun], summary: SearchSummary) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        (
            Cell(run.run_id),
            Cell(str(run.seed)),
            *(
                Cell(numbers.fixed(next(iter(run.values[index:]), None), info.digits))
                for index, info in enumerate(summary.objectives)
            ),
        )
        for run in runs
    )


def search_summary(summary: SearchSummary, comparison: Comparison | None) -> Summary:
    """Return what opens the page of a search; warnings of its confirming study included."""
    first = study_summary(comparison).banners if comparison else ()
    warned = tuple(banner for banner in first if banner.tone == "alert")
    return Summary(
        banners=(
            *_partial(summary),
            *warned,
            *demonstration(summary.profile, "this report"),
        ),
        verdict=verdict(summary),
        notes=(
            *(Remark(sentence, is_warning=False) for sentence in _also(summary)),
            *_failed(summary),
        ),
        boxes=(
            Box("Search", _facts(summary)),
            Box("Budget used", _used(summary)),
        ),
    )


def _partial(summary: SearchSummary) -> Iterator[Banner]:
    if not summary.over:
        begun = len(of.numbered(summary))
        yield Banner(
            "alert",
            "Partial",
            f"{begun} trials so far. The budget is not spent, or the confirmation has not "
            "finished; run the search again to go on, then rebuild this page.",
        )


def verdict(summary: SearchSummary) -> str:
    """Return one sentence: the winner in the search, on fresh seeds, against the baselines."""
    if not summary.best and not summary.front:
        return "No trial has run all its seeds yet."
    if len(summary.objectives) > 1:
        return _several(summary)
    info, name = summary.objectives[0], summary.best[0]
    trial = summary.trial(name)
    value = numbers.amount(of.finished(trial), info)
    count = len(of.numbered(summary))
    said = (
        f"{name} is the best of {count} trials: {value} {title(info)} on validation in the search"
    )
    found = best(summary)
    if found is None or found.fresh is None:
        return f"{said}, not confirmed on fresh seeds."
    fresh, n = interval(found.fresh, info.digits), found.fresh.count
    unit = f" {info.unit}" if info.unit else ""
    said += f", {fresh}{unit} on {n} fresh seed{'' if n == 1 else 's'}"
    against = ", ".join(
        f"{interval(gain, info.digits, sign=True)}{unit} against {other} "
        f"({gain.word or 'no verdict'})"
        for other, gain in found.gain.items()
    )
    where = " on the test clips" if any(gain.clips for gain in found.gain.values()) else ""
    return f"{said};{where} {against}." if against else f"{said}."


def best(summary: SearchSummary) -> Confirmation | None:
    """Return the confirmation of the winner; None where the winner was not run again."""
    wanted = {*summary.best[:1]}
    return next((each for each in summary.confirmed if each.trial in wanted), None)


def _several(summary: SearchSummary) -> str:
    names = [title(info) for info in summary.objectives]
    joined = f"{', '.join(names[:-1])} and {names[-1]}"
    ends = []
    for index, info in enumerate(summary.objectives):
        values = [
            v for n in summary.front if (v := of.finished(summary.trial(n), index)) is not None
        ]
        if values:
            low, high = (numbers.fixed(end, info.digits) for end in (min(values), max(values)))
            ends.append(f"{title(info)} {low} to {high} {info.unit}".strip())
    count = len(of.numbered(summary))
    return (
        f"{len(summary.front)} of {count} trials are on the Pareto front of {joined}: "
        f"{', '.join(ends)}."
    )


def _also(summary: SearchSummary) -> Iterator[str]:
    info, found = summary.objectives[0], best(summary)
    if found is None or found.fresh is None:
        if summary.best:
            yield "The best of many noisy values is optimistic; fresh seeds would say by how much."
        return
    if found.shrinkage is not None:
        text = interval(found.shrinkage, info.digits, sign=True)
        unit = f" {info.unit}" if info.unit else ""
        covers = found.shrinkage.covers
        yield (
            f"Shrinkage from the search to fresh seeds: {text}{unit}; {_fell(found.shrinkage)}"
            f"{f' (the interval covers {covers})' if covers else ''}."
        )
    for other, gain in found.gain.items():
        said = f"Against {other}: {gain.word or 'no verdict'}"
        reason = f" ({gain.reason})" if gain.reason else ""
        yield f"{said}{reason}; the interval covers {gain.covers}."
    for other, reason in found.without_gain.items():
        yield f"Against {other}: no verdict ({reason})."


def _fell(shrinkage: Estimate) -> str:
    """Return what a shrinkage shows; negative means that the search was optimistic."""
    low, high = shrinkage.low, shrinkage.high
    if low is None or high is None:
        return "one fresh seed carries no interval"
    if low <= 0 <= high:
        return "the interval holds zero, so these seeds do not show that the search was optimistic"
    return "the search was optimistic" if high < 0 else "the search was pessimistic"


def _facts(summary: SearchSummary) -> dict[str, str]:
    directions = {"higher": "more is better", "lower": "less is better"}
    facts = {title(info): directions[info.better] for info in summary.objectives}
    facts |= {
        "sampler": summary.sampler,
        "pruner": summary.pruner,
        "seeds each": str(len(summary.seeds)),
        "parameters": str(len(summary.space)),
    }
    if summary.constraints:
        facts["constraints"] = "; ".join(summary.constraints)
    return facts


def _used(summary: SearchSummary) -> dict[str, str]:
    facts = {}
    for name, allowed, used in spending(summary):
        spent = numbers.MISSING if used is None else f"{used:.4g}"
        limit = "" if allowed is None else f" of {allowed:.4g}"
        facts[name.replace("_", " ")] = f"{spent}{limit}"
    words = ["raced out" if each.raced else each.state for each in summary.trials]
    facts |= {word: str(count) for word, count in Counter(words).items()}
    if summary.rejected:
        facts["proposals not trained"] = str(sum(summary.rejected.values()))
    return facts


def _failed(summary: SearchSummary) -> tuple[Remark, ...]:
    links = of.trial_links(summary)
    return tuple(
        Remark(f"{each.variant}: {each.note or 'failed'}", links.to(each.variant))
        for each in summary.trials
        if each.state == "failed"
    )
