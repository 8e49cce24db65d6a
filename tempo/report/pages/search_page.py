"""Write the page of a search: its sections, the runs of its trials, the files beside it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from tempo.comparison.comparison import Comparison
from tempo.records.search_record import SearchSummary, TrialRun
from tempo.report import search_trials as of
from tempo.report.document import write_page
from tempo.report.figures import FIGURES
from tempo.report.figures.export import FORMATS, plates
from tempo.report.figures.search import SEARCH_FIGURES
from tempo.report.formats import numbers
from tempo.report.formats.table import Cell, Column, words
from tempo.report.pages.page import Page, Section, text
from tempo.report.pages.runs import RunGroup
from tempo.report.pages.search_summary import search_summary
from tempo.report.pages.study_page import texts
from tempo.report.tables import TABLES
from tempo.report.tables.search_tables import SEARCH_TABLES

SECTIONS = (
    Section("history", "History", ("figure:history", "table:trials")),
    Section("confirmation", "On fresh seeds", ("figure:confirmation", "table:confirmation")),
    Section("importance", "What mattered", ("figure:importance", "table:importance")),
    Section("front", "Pareto front", ("figure:front",)),
    Section("parameters", "Parameters", ("figure:parallel", "figure:slices", "table:space")),
    Section("intermediate", "Validation while training", ("figure:intermediate",)),
    Section("budget", "Budget and rules", ("rules", ("table:budget", "table:rejected"))),
)
CONFIRMED = Section(
    "results",
    "The confirmed trials on the test split",
    ("table:results", ("figure:seeds", "figure:forest"), "figure:strip", "gallery", "failures"),
)
RUNS = Section("runs", "Runs", ("trial_runs", "runs"))
REPRODUCTION = Section("reproduction", "Reproduction", ("search_reproduction",))

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
    told = {
        "rules": text("search_rules.html", summary=summary),
        "trial_runs": text(
            "runs.html", columns=trial_columns(summary), groups=trial_groups(summary)
        ),
        "search_reproduction": text(
            "search_reproduction.html", summary=summary, command=command(summary)
        ),
        "runs": "",
    }
    sections: tuple[Section, ...] = (*SECTIONS, RUNS, REPRODUCTION)
    if comparison is not None:
        figures |= plates({name: FIGURES[name] for name in FROM_STUDY}, comparison, formats)
        tables["results"] = TABLES["results"](comparison)
        told |= texts(comparison)
        sections = (*SECTIONS[:2], CONFIRMED, *SECTIONS[2:], RUNS, REPRODUCTION)
    page = Page(
        kind="search report",
        title=summary.study,
        question=summary.question,
        summary=search_summary(summary, comparison),
        sections=sections,
        figures=figures,
        tables=tables,
        texts=told,
        colophon=f"search {summary.optuna_study}",
    )
    return write_page(page, folder)


def command(summary: SearchSummary) -> str:
    """Return the command that starts the search or continues a search that was stopped."""
    words = ["python", "run_experiment.py", summary.source]
    return shlex.join(words + (["--profile", summary.profile] if summary.profile else []))


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
