"""Build the tables of differences: contrasts with the baseline, and the fairness audit."""

from __future__ import annotations

from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Contrast
from tempo.report.applicability import NotApplicable
from tempo.report.formats import numbers
from tempo.report.formats.cells import Links, change_cell, verdict_cell
from tempo.report.formats.phrases import interval_kind, no_difference, sentences, title
from tempo.report.formats.table import Cell, Column, Line, Table, words

SEVERITIES = ("unintended", "intended", "note")


def build(comparison: Comparison) -> Table | NotApplicable:
    """Return every contrast: difference, interval, p after Holm, verdict and its reason."""
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
    columns = (
        *words("variant", "metric"),
        Column("difference"),
        Column("p, Holm"),
        *words("verdict"),
        Column("seeds"),
        *words("why"),
    )
    some = next((each.difference for each in chosen if each.difference), None)
    caption = sentences(
        f"Differences from {comparison.baseline}.",
        interval_kind(some),
        no_difference(comparison, ""),
    )
    links = Links.of(comparison)
    return Table(
        "contrasts", caption, columns, tuple(_line(each, comparison, links) for each in chosen)
    )


def _line(contrast: Contrast, comparison: Comparison, links: Links) -> Line:
    info = comparison.info(contrast.metric)
    link = links.to(contrast.variant)
    pairs = zip(contrast.seeds, contrast.values, strict=True)
    hint = "; ".join(f"seed {seed}: {numbers.signed(v, info.digits)}" for seed, v in pairs)
    return Line(
        (
            links.name(contrast.variant),
            Cell(title(info), info.name),
            change_cell(contrast.difference, info.digits, link, hint),
            Cell(numbers.p_value(contrast.p_adjusted), contrast.p_adjusted, link),
            verdict_cell(contrast.verdict, link, brief=True),
            Cell(f"{len(contrast.seeds)}/{contrast.planned_n}", len(contrast.seeds)),
            Cell(contrast.verdict.reason, tone="quiet"),
        )
    )


def fairness(comparison: Comparison) -> Table | NotApplicable:
    """Return in what the compared runs differ, unintended differences first."""
    if not comparison.fairness:
        return NotApplicable("the runs were audited and differ in nothing that was recorded")
    ranked = sorted(comparison.fairness, key=lambda each: SEVERITIES.index(each.severity))
    lines = tuple(
        Line(
            (
                Cell(each.field, each.field),
                Cell(
                    each.severity,
                    SEVERITIES.index(each.severity),
                    tone="worse" if each.severity == "unintended" else "",
                ),
                Cell(
                    each.sentence,
                    hint="; ".join(f"{name}: {value}" for name, value in each.values.items()),
                ),
            )
        )
        for each in ranked
    )
    columns = words("field", "kind", "what was seen")
    return Table("fairness", "Fairness audit of what really happened.", columns, lines)
