"""The page of a search: what stands where, and the files beside it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from tempo.compare.comparison import Comparison
from tempo.records.search_record import SearchSummary
from tempo.report.document import write_page
from tempo.report.figures import FIGURES
from tempo.report.figures.export import FORMATS, plates
from tempo.report.figures.search import SEARCH_FIGURES
from tempo.report.pages.page import Page, Section, text
from tempo.report.pages.search_first_screen import front
from tempo.report.pages.search_runs import groups
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
    """Write `index.html`, `report.md`, `figures/` and `tables/` of a search; returns the page.

    Args:
        comparison: of the confirmed trials, to be shown in a section of its own.
        formats: of the figures beside the page, of `png`, `pdf` and `svg`.
    """
    figures = plates(SEARCH_FIGURES, summary, formats)
    tables = {name: build(summary) for name, build in SEARCH_TABLES.items()}
    words = {
        "rules": text("search_rules.html", summary=summary),
        "trial_runs": text("search_runs.html", summary=summary, groups=groups(summary)),
        "search_reproduction": text(
            "search_reproduction.html", summary=summary, command=command(summary)
        ),
        "runs": "",
    }
    sections: tuple[Section, ...] = (*SECTIONS, RUNS, REPRODUCTION)
    if comparison is not None:
        figures |= plates({name: FIGURES[name] for name in FROM_STUDY}, comparison, formats)
        tables["results"] = TABLES["results"](comparison)
        words |= texts(comparison)
        sections = (*SECTIONS[:2], CONFIRMED, *SECTIONS[2:], RUNS, REPRODUCTION)
    page = Page(
        kind="search report",
        title=summary.study,
        question=summary.question,
        front=front(summary, comparison),
        sections=sections,
        figures=figures,
        tables=tables,
        texts=words,
        colophon=f"search {summary.optuna_study}",
    )
    return write_page(page, folder)


def command(summary: SearchSummary) -> str:
    """What carries the search out, or goes on with it."""
    words = ["python", "run_experiment.py", summary.source]
    return shlex.join(words + (["--profile", summary.profile] if summary.profile else []))
