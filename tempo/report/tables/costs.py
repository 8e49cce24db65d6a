"""What each variant costs."""

from __future__ import annotations

from tempo.compare.comparison import Comparison, Row
from tempo.report.applicability import NotApplicable, trained
from tempo.report.formats import numbers
from tempo.report.formats.phrases import sentences
from tempo.report.formats.table import Cell, Column, Line, Links, Table, drop_empty, name_cell


def build(comparison: Comparison) -> Table | NotApplicable:
    """Costs of the trained variants."""
    rows = [row for row in trained(comparison) if row.cost.parameters is not None]
    if not rows:
        return NotApplicable("no run has recorded its cost yet")
    links = Links.of(comparison)
    columns = [
        Column("variant", numeric=False),
        Column("parameters"),
        Column("MACs", hint=_mac_size(rows)),
        Column("step", "ms"),
        Column("peak memory"),
        Column("one run"),
        Column("compilation", hint="apart from the training time"),
        Column("device hours", "h"),
        Column("gain per hour", comparison.info(comparison.metric).unit + "/h"),
        Column("device", numeric=False),
    ]
    lines = [Line(tuple(_costs(row, links))) for row in rows]
    kept, full = drop_empty(columns, lines)
    caption = sentences(
        "Cost of each variant, means over its finished seeds.",
        f"MACs: one forward pass over {_mac_size(rows)}." if _mac_size(rows) else "",
    )
    return Table("costs", caption, tuple(kept), tuple(full))


def _costs(row: Row, links: Links) -> list[Cell]:
    cost, link = row.cost, links.to(row.variant)
    return [
        name_cell(row.variant, links),
        Cell(numbers.count(cost.parameters), cost.parameters, link),
        Cell(numbers.count(cost.macs), cost.macs, link),
        Cell(numbers.three(cost.step_ms), cost.step_ms, link),
        Cell(numbers.memory(cost.peak_memory), cost.peak_memory, link),
        Cell(numbers.duration(cost.train_seconds), cost.train_seconds, link),
        Cell(numbers.duration(cost.compile_seconds), cost.compile_seconds, link),
        Cell(numbers.three(cost.device_hours), cost.device_hours, link),
        Cell(numbers.three(cost.gain_per_hour), cost.gain_per_hour, link),
        Cell(cost.device or "", cost.device),
    ]


def _mac_size(rows: list[Row]) -> str:
    size = next((row.cost.mac_size for row in rows if row.cost.mac_size), None)
    return f"{size[0]} × {size[1]} pixels" if size else ""
