"""The primary metric by motion, occlusion and texture, in numbers."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.formats import numbers
from tempo.report.formats.phrases import title
from tempo.report.formats.table import Cell, Column, Line, Links, Table, name_cell


def build(comparison: Comparison) -> Table | NotApplicable:
    """One column a stratum; the difference from the baseline is beneath the mouse."""
    strata = [each for each in comparison.strata if each.metric == comparison.metric]
    if not strata:
        return NotApplicable(
            "there are too few clips, or no recorded property of them, to split them by"
        )
    info = comparison.info(comparison.metric)
    links = Links.of(comparison)
    columns = (
        Column("variant", numeric=False),
        *(
            Column(f"{each.by} {each.low:.2g}–{each.high:.2g}", hint=f"n = {each.clips} clips")
            for each in strata
        ),
    )
    lines = []
    for row in comparison.rows:
        cells = [name_cell(row.variant, links)]
        for each in strata:
            value = each.values.get(row.variant)
            difference = each.differences.get(row.variant)
            cells.append(
                Cell(
                    numbers.fixed(value.value if value else None, info.digits),
                    value.value if value else None,
                    links.to(row.variant),
                    f"Δ {numbers.change(difference, info.digits)}" if difference else "",
                )
            )
        lines.append(Line(tuple(cells)))
    caption = (
        f"{title(info)} by stratum of the {comparison.split} clips, mean over clips and seeds."
    )
    return Table("strata", caption, columns, tuple(lines))
