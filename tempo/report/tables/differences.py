"""Build the tables of differences: contrasts, effects, attribution, strata, fairness audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Contrast, Effect, Rung
from tempo.report.formats import numbers
from tempo.report.formats.cells import NONE, Links, change_cell, contrast_cell, verdict_cell
from tempo.report.formats.phrases import (
    effect_name,
    interval_kind,
    no_difference,
    property_title,
    sentences,
    span,
    title,
)
from tempo.report.formats.table import Cell, Column, Line, NotApplicable, Table, words


def effects(comparison: Comparison) -> Table | NotApplicable:
    """Return main effects, then two-way interactions, also those that cannot be estimated."""
    every = (*comparison.main_effects, *comparison.interactions)
    if not every:
        return NotApplicable("the design is not factorial")
    columns: tuple[Column, ...] = (
        *words("effect", "metric"),
        Column("change"),
        Column("p, Holm"),
        *words("verdict"),
        Column("cells", hint="variants with results, of those the effect is made of"),
    )
    caption = "Main effects, averaged over the other factors, and two-way interactions."
    lines = tuple(_effect(effect, comparison) for effect in every)
    if {effect.metric for effect in every} == {comparison.metric}:
        caption += f" All in {title(comparison.info(comparison.metric))}."
        columns = (columns[0], *columns[2:])
        lines = tuple(replace(line, cells=(line.cells[0], *line.cells[2:])) for line in lines)
    aliases = tuple(
        f"{alias.effect} cannot be told from {', '.join(alias.with_effects)}: {alias.reason}"
        for alias in comparison.aliases
    )
    return Table("effects", caption, columns, lines, aliases)


def _effect(effect: Effect, comparison: Comparison) -> Line:
    name = effect_name(effect)
    return Line.of(
        Cell(name, name, "#runs"),
        Cell(effect.metric, effect.metric),
        change_cell(effect.change, comparison.info(effect.metric).digits, "#runs"),
        Cell(numbers.p_value(effect.p_adjusted), effect.p_adjusted),
        verdict_cell(effect.verdict),
        Cell(f"{effect.cells}/{effect.planned_cells}", effect.cells),
        note=effect.note,
    )


def attribution(comparison: Comparison) -> Table | NotApplicable:
    """Return how one variant becomes another: one line a factor, the remainder, the total."""
    found = comparison.attribution
    if found is None:
        return NotApplicable("the study does not ask how one variant becomes another")
    digits = comparison.info(found.metric).digits
    links = Links.of(comparison)
    columns = (
        *words("factor", "from", "to"),
        Column("added alone", hint=f"into {found.start}"),
        Column("kept at the end", hint=f"in {found.end}, against leaving it out"),
        Column("on the ladder", hint="added to all factors above it"),
    )
    ways = [{r.factor: r for r in way} for way in (found.add_in, found.leave_out, found.ladder)]
    lines = []
    for factor, (start, end) in found.changes.items():
        cells = [_rung(way.get(factor), digits, links) for way in ways]
        lines.append(Line((Cell(factor, factor), Cell(start), Cell(end), *cells)))
    blank = (Cell(""), Cell(""))
    for label, value in (("interaction", found.residual), ("total", found.total)):
        change = Cell(numbers.change(value, digits))
        lines.append(Line((Cell(label), *blank, change, *blank), tone=label))
    caption = sentences(
        f"From {found.start} to {found.end} in {title(comparison.info(found.metric))}.",
        "The interaction is the total less the sum of the factors added alone.",
        found.note,
    )
    return Table("attribution", caption, columns, tuple(lines))


def _rung(rung: Rung | None, digits: int, links: Links) -> Cell:
    if rung is None:
        return NONE
    if rung.change is None:
        return Cell(numbers.MISSING, hint=rung.note or "not finished", tone="quiet")
    hint = f"{rung.variant} against {rung.against}"
    return change_cell(rung.change, digits, links.to(rung.variant), hint)


def strata(comparison: Comparison) -> Table | NotApplicable:
    """Return the primary metric by motion, occlusion and texture, one column a stratum.

    The difference from the baseline is the hint of each number.
    """
    found = [each for each in comparison.strata if each.metric == comparison.metric]
    if not found:
        return NotApplicable(
            "there are too few clips, or no recorded property of them, to split them by"
        )
    info, links = comparison.info(comparison.metric), Links.of(comparison)
    columns = (
        *words("variant"),
        *(
            Column(
                f"{property_title(each.by)} {span(each.low, each.high)}",
                hint=f"n = {each.clips} clips",
            )
            for each in found
        ),
    )
    lines = []
    for variant in (row.variant for row in comparison.rows):
        cells = [links.name(variant)]
        for each in found:
            value, change = each.values.get(variant), each.differences.get(variant)
            mean = value.value if value else None
            hint = f"Δ {numbers.change(change, info.digits)}" if change else ""
            cells.append(Cell(numbers.fixed(mean, info.digits), mean, links.to(variant), hint))
        lines.append(Line(tuple(cells)))
    caption = (
        f"{title(info)} by stratum of the {comparison.split} clips, mean over clips and seeds."
    )
    return Table("strata", caption, columns, tuple(lines))


SEVERITIES = ("unintended", "intended", "note")


def contrasts(comparison: Comparison) -> Table | NotApplicable:
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
    links, shared = Links.of(comparison), _shared_reasons(chosen)
    lines = tuple(_contrast(each, comparison, links, shared) for each in chosen)
    notes = tuple(f"{_rows(count)}: {reason}" for reason, count in shared.items())
    return Table("contrasts", caption, columns, lines, notes).without_empty_columns()


def _shared_reasons(chosen: Sequence[Contrast]) -> dict[str, int]:
    """Return the reasons that several verdicts have, and how many: they stand beneath the table."""
    counts = Counter(each.verdict.reason for each in chosen if each.verdict.reason)
    return {reason: count for reason, count in counts.items() if count > 1}


def _rows(count: int) -> str:
    return f"{count} rows"


def _contrast(
    contrast: Contrast, comparison: Comparison, links: Links, shared: Mapping[str, int]
) -> Line:
    info = comparison.info(contrast.metric)
    link = links.to(contrast.variant)
    pairs = zip(contrast.seeds, contrast.values, strict=True)
    hint = "; ".join(f"seed {seed}: {numbers.signed(v, info.digits)}" for seed, v in pairs)
    return Line.of(
        links.name(contrast.variant),
        Cell(title(info), info.name),
        change_cell(contrast.difference, info.digits, link, hint),
        Cell(numbers.p_value(contrast.p_adjusted), contrast.p_adjusted, link),
        contrast_cell(contrast, link, brief=True),
        Cell(f"{len(contrast.seeds)}/{contrast.planned_n}", len(contrast.seeds)),
        Cell("" if contrast.verdict.reason in shared else contrast.verdict.reason, tone="quiet"),
    )


def fairness(comparison: Comparison) -> Table | NotApplicable:
    """Return in what the compared runs differ, unintended differences first."""
    if not comparison.fairness:
        return NotApplicable("the runs were audited and differ in nothing that was recorded")
    ranked = sorted(comparison.fairness, key=lambda each: SEVERITIES.index(each.severity))
    lines = tuple(
        Line.of(
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
        for each in ranked
    )
    columns = words("field", "kind", "what was seen")
    return Table("fairness", "Fairness audit of what really happened.", columns, lines)
