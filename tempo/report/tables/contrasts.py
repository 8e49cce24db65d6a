"""Every contrast with the baseline: difference, interval, p after Holm, verdict and why."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.compare.statistics.quantities import Contrast
from tempo.report.applicability import NotApplicable
from tempo.report.figures.forest import no_difference
from tempo.report.formats import numbers
from tempo.report.formats.phrases import interval_kind, sentences, title
from tempo.report.formats.table import Cell, Column, Line, Links, Table, name_cell, verdict_cell


def build(comparison: Comparison) -> Table | NotApplicable:
    """All metrics, the primary one first."""
    every = [*comparison.contrasts]
    every += [
        contrast
        for row in comparison.rows
        for contrast in row.contrasts.values()
        if contrast not in every
    ]
    order = {info.name: index for index, info in enumerate(comparison.metrics)}
    chosen = sorted((c for c in every if c.metric in order), key=lambda c: order[c.metric])
    if not chosen:
        return NotApplicable("no variant has been compared with the baseline yet")
    links = Links.of(comparison)
    columns = (
        Column("variant", numeric=False),
        Column("metric", numeric=False),
        Column("difference"),
        Column("p, Holm"),
        Column("verdict", numeric=False),
        Column("seeds"),
        Column("why", numeric=False),
    )
    some = next((each.difference for each in chosen if each.difference), None)
    caption = sentences(
        f"Differences from {comparison.baseline}.",
        interval_kind(some),
        no_difference(comparison, ""),
    )
    lines = tuple(_line(each, comparison, links) for each in chosen)
    return Table("contrasts", caption, columns, lines)


def _line(contrast: Contrast, comparison: Comparison, links: Links) -> Line:
    info = comparison.info(contrast.metric)
    link = links.to(contrast.variant)
    change = contrast.difference
    pairs = zip(contrast.seeds, contrast.values, strict=True)
    hint = "; ".join(f"seed {seed}: {numbers.signed(v, info.digits)}" for seed, v in pairs)
    return Line(
        (
            name_cell(contrast.variant, links),
            Cell(title(info), info.name),
            Cell(numbers.change(change, info.digits), change.value if change else None, link, hint),
            Cell(numbers.p_value(contrast.p_adjusted), contrast.p_adjusted, link),
            verdict_cell(contrast.verdict, link, brief=True),
            Cell(f"{len(contrast.seeds)}/{contrast.planned_n}", len(contrast.seeds)),
            Cell(contrast.verdict.reason, tone="quiet"),
        )
    )
