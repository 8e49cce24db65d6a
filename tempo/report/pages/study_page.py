"""Compose the page of a study: which figure, table and text stands in which section."""

from __future__ import annotations

from collections.abc import Mapping

from tempo.comparison.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.figures.export import Made
from tempo.report.formats.table import Table
from tempo.report.pages.gallery import BUDGET, gallery
from tempo.report.pages.page import Page, Section, text
from tempo.report.pages.runs import reproduction, run_columns, run_groups
from tempo.report.pages.study_summary import study_summary

SECTIONS = (
    Section("results", "Results", ("table:results", ("figure:seeds", "figure:forest"))),
    Section(
        "curves",
        "Learning curves",
        (
            {
                "learning_curves": "by step",
                "learning_by_epoch": "by epoch",
                "learning_by_time": "by time",
            },
            "table:learning",
        ),
    ),
    Section("samples", "Samples", ("figure:strip", "gallery")),
    Section("contrasts", "Contrasts", ("precision", "table:contrasts")),
    Section("effects", "Main effects and interactions", ("figure:effects", "table:effects")),
    Section(
        "attribution",
        "How one variant becomes another",
        ("figure:attribution", "table:attribution"),
    ),
    Section(
        "cost",
        "Quality and cost",
        ("figure:pareto", "table:fronts", "table:costs", "table:budgets"),
    ),
    Section(
        "where",
        "Where they differ",
        (
            ({"strata": "values", "strata_difference": "differences"}, "figure:clip_scatter"),
            "table:strata",
        ),
    ),
    Section("edges", "Edges and flicker", ("figure:edges_and_time",)),
    Section("fairness", "Fairness audit", ("table:fairness",)),
    Section("health", "Training health", ("figure:health", "failures")),
    Section("claims", "What the upgrade note expects", ("table:claims",)),
    Section("runs", "Runs", ("runs",)),
    Section("reproduction", "Reproduction", ("reproduction",)),
)


def study_page(
    comparison: Comparison,
    figures: Mapping[str, Made],
    tables: Mapping[str, Table | NotApplicable],
    budget: int = BUDGET,
) -> Page:
    """Return the page of `comparison`; `budget`: most bytes of gallery pictures."""
    return Page(
        kind="ablation report",
        title=comparison.study,
        question=comparison.question,
        summary=study_summary(comparison),
        sections=SECTIONS,
        figures=figures,
        tables=tables,
        texts=texts(comparison, budget),
        colophon=f"fingerprint {comparison.fingerprint}",
    )


def texts(comparison: Comparison, budget: int = BUDGET) -> dict[str, str]:
    """Return the parts of the page that are words, pictures and lists of runs, by name."""
    shown = gallery(comparison, budget)
    told = {"comparison": comparison}
    failed = comparison.failures or comparison.exclusions
    noisy = comparison.noise or comparison.power
    return {
        "gallery": text("gallery.html", gallery=shown) if shown.clips else "",
        "precision": text("precision.html", **told) if noisy else "",
        "failures": text("failures.html", **told) if failed else "",
        "runs": text("runs.html", columns=run_columns(comparison), groups=run_groups(comparison)),
        "reproduction": text("reproduction.html", reproduction=reproduction(comparison), **told),
    }
