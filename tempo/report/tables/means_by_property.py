"""Build the table of evaluated methods on clips that are alike in a property."""

from __future__ import annotations

from collections.abc import Sequence

from tempo.comparison.clip_strata import ClipStratum
from tempo.report.formats import numbers
from tempo.report.formats.phrases import property_title, span, title
from tempo.report.formats.table import Cell, Column, Line, NotApplicable, Table


def build(strata: Sequence[ClipStratum], by: str) -> Table | NotApplicable:
    """Return one line a stratum and one column a method."""
    if not strata:
        return NotApplicable(
            f"the clips of no test set differ in their {property_title(by)}, or it was not recorded"
        )
    methods = list(dict.fromkeys(name for each in strata for name in each.values))
    info = strata[0].metric
    columns = (
        Column("set", numeric=False),
        Column("protocol", numeric=False, detail=True),
        Column(property_title(by), numeric=False),
        Column("clips"),
        *(Column(name, info.unit) for name in methods),
    )
    lines = tuple(
        Line.of(
            Cell(each.test_set),
            Cell(each.protocol_hash),
            Cell(span(each.low, each.high), each.low),
            Cell(str(each.clips), each.clips),
            *(_number(each, name) for name in methods),
        )
        for each in strata
    )
    caption = f"{title(info)} by {property_title(by)}, mean over clips"
    return Table(f"strata_{by}", caption, columns, lines)


def _number(stratum: ClipStratum, method: str) -> Cell:
    value = stratum.values.get(method)
    return Cell(numbers.fixed(value, stratum.metric.digits), value)
