"""Main effects and interactions of a factorial design."""

from __future__ import annotations

from dataclasses import replace

from tempo.compare.comparison import Comparison
from tempo.compare.statistics.quantities import Effect
from tempo.report.applicability import NotApplicable
from tempo.report.figures.effects import name
from tempo.report.formats import numbers
from tempo.report.formats.phrases import title
from tempo.report.formats.table import Cell, Column, Line, Table, verdict_cell


def build(comparison: Comparison) -> Table | NotApplicable:
    """Main effects first, then two-way interactions; what cannot be estimated is listed too."""
    effects = (*comparison.main_effects, *comparison.interactions)
    if not effects:
        return NotApplicable("the design is not factorial")
    columns: tuple[Column, ...] = (
        Column("effect", numeric=False),
        Column("metric", numeric=False),
        Column("change"),
        Column("p, Holm"),
        Column("verdict", numeric=False),
        Column("cells", hint="variants with results, of those the effect is made of"),
    )
    caption = "Main effects, averaged over the other factors, and two-way interactions."
    lines = tuple(_line(effect, comparison) for effect in effects)
    if {effect.metric for effect in effects} == {comparison.metric}:
        caption += f" All in {title(comparison.info(comparison.metric))}."
        columns = (columns[0], *columns[2:])
        lines = tuple(replace(line, cells=(line.cells[0], *line.cells[2:])) for line in lines)
    aliases = tuple(
        f"{alias.effect} cannot be told from {', '.join(alias.with_effects)}: {alias.reason}"
        for alias in comparison.aliases
    )
    return Table("effects", caption, columns, lines, aliases)


def _line(effect: Effect, comparison: Comparison) -> Line:
    digits = comparison.info(effect.metric).digits
    change = effect.change
    return Line(
        (
            Cell(name(effect), name(effect), "#runs"),
            Cell(effect.metric, effect.metric),
            Cell(numbers.change(change, digits), change.value if change else None, "#runs"),
            Cell(numbers.p_value(effect.p_adjusted), effect.p_adjusted),
            verdict_cell(effect.verdict),
            Cell(f"{effect.cells}/{effect.planned_cells}", effect.cells),
        ),
        effect.note,
    )
