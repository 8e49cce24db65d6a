"""The results as CSV: one line a row, every number at full precision, empty where missing."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import Any

from tempo.compare.comparison import Comparison, Row
from tempo.report.formats.numbers import MISSING
from tempo.report.formats.phrases import visible
from tempo.report.formats.table import Cell, Table


def results_csv(comparison: Comparison) -> str:
    """UTF-8 text with a header. A label that a spreadsheet would run as a formula is quoted."""
    factors = list(dict.fromkeys(name for row in comparison.rows for name in row.levels))
    lines = [_line(row, comparison, factors) for row in comparison.rows]
    header = list(dict.fromkeys(key for line in lines for key in line))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _text(value) for key, value in line.items()} for line in lines)
    return buffer.getvalue()


def table_csv(table: Table) -> str:
    """Any table of a page: numbers at full precision where a cell has one, text elsewhere."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_text(column.heading) for column in table.columns])
    writer.writerows([_text(_value(cell)) for cell in line.cells] for line in table.lines)
    return buffer.getvalue()


def _value(cell: Cell) -> Any:
    if isinstance(cell.key, int | float):
        return cell.key
    return "" if cell.text == MISSING else cell.text


def _line(row: Row, comparison: Comparison, factors: list[str]) -> dict[str, Any]:
    line: dict[str, Any] = {"variant": row.variant, "role": row.role, "state": row.state}
    line |= {f"factor:{name}": row.levels.get(name, "") for name in factors}
    line |= {"seeds": row.seeds, "planned_seeds": row.planned_seeds}
    for info in comparison.metrics:
        estimate = row.estimates.get(info.name)
        for field in ("mean", "sd", "low", "high"):
            line[f"{info.name}_{field}"] = getattr(estimate, field) if estimate else None
        contrast = row.contrasts.get(info.name)
        change = contrast.difference if contrast else None
        line[f"{info.name}_difference"] = change.value if change else None
        line[f"{info.name}_difference_low"] = change.low if change else None
        line[f"{info.name}_difference_high"] = change.high if change else None
        line[f"{info.name}_verdict"] = contrast.verdict.word.value if contrast else ""
    line |= asdict(row.cost)
    line["mac_size"] = "x".join(str(n) for n in row.cost.mac_size or ())
    estimate = row.estimates.get(comparison.metric)
    line["run_ids"] = " ".join(estimate.run_ids) if estimate else ""
    line |= {"protocol": row.protocol_hash, "checkpoint": row.checkpoint, "note": row.note}
    return line


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else visible(value)
