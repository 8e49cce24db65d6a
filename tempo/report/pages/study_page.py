"""Compose the page of a study: its summary, and what stands in which section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tempo.comparison.comparison import Comparison
from tempo.comparison.sections.sentence_openings import SETS_DISAGREE
from tempo.core.own_command import page_command
from tempo.core.plugins.parts import names_of
from tempo.report.figures.export import Made
from tempo.report.formats.answer_sentence import answer_sentence
from tempo.report.formats.table import NotApplicable, Table
from tempo.report.pages.answer import answer_table
from tempo.report.pages.gallery import BUDGET, gallery
from tempo.report.pages.headlines import Headline, sort_headline
from tempo.report.pages.held_equal import held_equal
from tempo.report.pages.page import Page, Section, text
from tempo.report.pages.runs import (
    MlflowView,
    command,
    environments,
    failure_links,
    resolved_spec,
    run_columns,
    run_groups,
)
from tempo.report.pages.summary import Banner, Box, Remark, Summary, demonstration
from tempo.report.pages.test_set_panels import set_sections, set_texts
from tempo.report.tables import paper

SECTIONS = (
    Section("results", "All results", ("table:results", ("figure:seeds", "figure:forest"))),
    Section(
        "samples", "Pictures", ("gallery", "figure:strip"), about="two variants on the same clip"
    ),
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
    Section("contrasts", "What the numbers can carry", ("precision", "table:contrasts")),
    Section("effects", "Main effects and interactions", ("figure:effects", "table:effects")),
    Section(
        "attribution",
        "How one variant becomes another",
        ("figure:attribution", "table:attribution"),
    ),
    Section(
        "cost",
        "Quality and cost",
        ("figure:pareto", "table:fronts", "table:costs", "table:budgets", "table:same_size"),
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
    Section("differences", "From the baseline to each variant", ("table:from_baseline",)),
    Section("health", "Training health", ("figure:health", "failures")),
    Section("claims", "What the upgrade note of V3 expects", ("table:claims",)),
    Section(
        "facts", "What was run, and what was held equal", ("boxes",), about="the study's facts"
    ),
    Section("runs", "Runs", ("runs",), about="every run, with its folder"),
    Section("reproduction", "Reproduction", ("reproduction",), about="commands, spec, environment"),
)


def study_page(
    comparison: Comparison,
    figures: Mapping[str, Made],
    tables: Mapping[str, Table | NotApplicable],
    budget: int = BUDGET,
    folder: Path | None = None,
) -> Page:
    """Return the page of `comparison`.

    Args:
        budget: most bytes of gallery pictures.
        folder: where the page will lie, so that it can link to the folders of runs.
    """
    summary = study_summary(comparison)
    return Page(
        kind="ablation report",
        title=comparison.title,
        question=comparison.question,
        summary=summary,
        sections=(
            *SECTIONS[:1],
            *set_sections(comparison, figures),
            *SECTIONS[1:-2],
            *_of_plugins(),
            *SECTIONS[-2:],
        ),
        figures=figures,
        tables=tables,
        texts=texts(comparison, budget, folder)
        | {"boxes": text("boxes.html", boxes=summary.boxes)}
        | set_texts(comparison),
        colophon=f"fingerprint {comparison.fingerprint}",
        beside=("table.csv", *(f"{paper.NAME}.{end}" for end in _paper_files(tables))),
    )


def _paper_files(tables: Mapping[str, Table | NotApplicable]) -> tuple[str, ...]:
    return ("md", "csv", "tex") if isinstance(tables.get(paper.NAME), Table) else ()


def _of_plugins() -> tuple[Section, ...]:
    """Return a section of the figures and tables that plug-ins added; none without any."""
    places = [f"{kind}:{name}" for kind in ("figure", "table") for name in names_of(kind)]
    return (Section("own", "From plug-ins", tuple(places)),) if places else ()


def texts(
    comparison: Comparison, budget: int = BUDGET, folder: Path | None = None
) -> dict[str, str]:
    """Return the parts of the page that are words, pictures and lists of runs, by name."""
    shown = gallery(comparison, budget)
    told = {"comparison": comparison}
    failed = comparison.failures or comparison.exclusions
    precision = sort_headline(comparison).precision
    return {
        "gallery": text("gallery.html", gallery=shown) if shown.clips else "",
        "precision": text("precision.html", sentences=precision) if precision else "",
        "failures": text("failures.html", links=failure_links(comparison, folder), **told)
        if failed
        else "",
        "runs": text(
            "runs.html", columns=run_columns(comparison), groups=run_groups(comparison, folder)
        ),
        "reproduction": text(
            "reproduction.html",
            command=command(comparison.source, comparison.profile),
            compare_command=page_command("compare", *_words(comparison)),
            ui=MlflowView.of(comparison.study),
            spec=resolved_spec(comparison),
            environments=environments(comparison),
            **told,
        ),
    }


def _words(comparison: Comparison) -> tuple[str, ...]:
    """Return the words of the command that makes the page again."""
    on = ("--on", comparison.test_set) if comparison.test_set is not None else ()
    return (comparison.study, *on)


def study_summary(comparison: Comparison) -> Summary:
    """Return what opens the page of a study: the answer, its table, and each warning once."""
    said = sort_headline(comparison)
    failed = tuple(Remark(sentence, "#failures") for sentence in _failed(comparison))
    return Summary(
        banners=(*_banners(comparison, said), *demonstration(comparison.profile, "this report")),
        lead=said.lead,
        verdict=answer_sentence(comparison),
        answer=answer_table(comparison),
        notes=(*failed, *said.notes, *_on_sets(comparison)),
        boxes=(
            Box("Study", _facts(comparison)),
            Box(
                "Held equal",
                held_equal(comparison),
                empty="Nothing that the spec names: the variants differ in every part.",
            ),
        ),
    )


def _on_sets(comparison: Comparison) -> Iterator[Remark]:
    """Yield what is missing on further test sets, and where they contradict each other."""
    missing = {sentence for each in comparison.test_sets for sentence in each.sentences}
    for sentence in comparison.on_sets:
        if sentence in missing or sentence.startswith(SETS_DISAGREE):
            yield Remark(sentence, "#paper")


def _banners(comparison: Comparison, said: Headline) -> Iterator[Banner]:
    if not comparison.complete:
        done, planned = comparison.finished_runs, comparison.planned_runs
        text = (
            f"{done} of {planned} runs have finished. Numbers are of what there is, and will "
            "change; run the study again to finish it, then rebuild this page."
        )
        yield Banner("alert", "Partial", " ".join([text, *said.incomplete]))
    for sentence in comparison.stale:
        yield Banner("alert", "Stale", sentence)
    if comparison.exploratory:
        yield Banner(
            "alert",
            "Exploratory",
            f"This is not what the study's rule asks: {'; '.join(comparison.exploratory)}. "
            "Verdicts are answers to a question that was asked after the data were seen.",
        )
    if not comparison.rankable:
        yield Banner(
            "alert",
            "Different protocols",
            " ".join(said.protocols)
            or "The rows were not all evaluated by one protocol: they are shown, but not ranked.",
        )


def _facts(comparison: Comparison) -> dict[str, str]:
    rows = comparison.trained
    seeds = sorted({row.planned_seeds for row in rows})
    facts = {
        "runs": f"{comparison.finished_runs} of {comparison.planned_runs} finished",
        "variants": str(len(rows)),
        "seeds each": "–".join(
            str(n) for n in dict.fromkeys((seeds or [0])[:: len(seeds) - 1 or 1])
        ),
    }
    if comparison.clip_table is not None:
        sources = len(set(comparison.clip_table.sources))
        clips = len(comparison.clip_table.clips)
        facts[f"{comparison.split} clips"] = f"{clips} from {sources} sources"
    if comparison.baseline:
        facts["baseline"] = comparison.baseline
    facts["reported"] = comparison.at
    if comparison.protocols:
        facts["protocol"] = ", ".join(each.hash for each in comparison.protocols)
    if comparison.delta is not None:
        info = comparison.info(comparison.metric)
        facts["no difference"] = f"within ±{comparison.delta:g} {info.unit}".strip()
    return facts


def _failed(comparison: Comparison) -> Iterator[str]:
    for each in comparison.failures:
        seed = "" if each.seed is None else f", seed {each.seed}"
        why = each.failure or each.status
        yield f"{each.variant}{seed}: {why} at step {each.step}. {each.message}".strip()
