"""The table as CSV, with full precision."""

from __future__ import annotations

from csv import writer
from io import StringIO

from tempo.compare.comparison import Comparison, Row
from tempo.core.records import MetricInfo

COSTS = (
    "parameters",
    "macs",
    "train_seconds",
    "device_hours",
    "peak_memory",
    "step_ms",
    "gain_per_hour",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Cells = dict[str, object]


def csv(comparison: Comparison) -> str:
    """One line per variant; what is missing is an empty cell, numbers have every digit.

    A label that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    factors = dict.fromkeys(name for row in comparison.rows for name in row.levels)
    lines = [_cells(comparison, row, list(factors)) for row in comparison.rows]
    out = StringIO()
    table = writer(out, lineterminator="\n")
    headings = list(dict.fromkeys(name for line in lines for name in line))
    table.writerow([_safe(name) for name in headings])
    for line in lines:
        table.writerow([_safe(line.get(name)) for name in headings])
    return out.getvalue()


def _cells(comparison: Comparison, row: Row, factors: list[str]) -> Cells:
    cells: Cells = {"variant": row.variant, "role": row.role, "state": row.state}
    cells |= {f"level:{name}": row.levels.get(name) for name in factors}
    cells |= {"rank": row.rank, "seeds": row.seeds, "planned_seeds": row.planned_seeds}
    for info in comparison.metrics:
        cells |= _metric(row, info)
    cells |= {name: getattr(row.cost, name) for name in COSTS}
    return cells | {
        "checkpoint": row.checkpoint,
        "protocol": row.protocol_hash,
        "note": row.note,
    }


def _metric(row: Row, info: MetricInfo) -> Cells:
    name = info.name
    estimate, contrast = row.estimates.get(name), row.contrasts.get(name)
    change = contrast.difference if contrast else None
    return {
        name: estimate.mean if estimate else None,
        f"{name}_sd": estimate.sd if estimate else None,
        f"{name}_difference": change.value if change else None,
        f"{name}_low": change.low if change else None,
        f"{name}_high": change.high if change else None,
        f"{name}_p_adjusted": contrast.p_adjusted if contrast else None,
        f"{name}_verdict": contrast.verdict.word.value if contrast else None,
    }


def _safe(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
