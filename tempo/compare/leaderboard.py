"""Evaluations side by side: who is ahead, among numbers that mean the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tempo.core.records import MetricInfo
from tempo.records.evaluations import EvaluationRecord


@dataclass(frozen=True, slots=True)
class Standing:
    """A row: its place among the rows of its protocol; None without a number to rank by."""

    rank: int | None
    record: EvaluationRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows of one protocol, best first by `primary`. Rows of two groups are never ranked."""

    test_set: str
    protocol_hash: str
    primary: MetricInfo
    rows: tuple[Standing, ...]


def standings(records: Sequence[EvaluationRecord], metric: str) -> tuple[Group, ...]:
    """Groups in the order in which their sets and protocols first appear.

    Ranked by `metric`, or where no row of a group has it by the group's first metric.
    """
    keys = dict.fromkeys((record.test_set, record.protocol_hash) for record in records)
    return tuple(
        _group([r for r in records if (r.test_set, r.protocol_hash) == key], metric) for key in keys
    )


def _group(records: Sequence[EvaluationRecord], metric: str) -> Group:
    infos = {name: info for record in records for name, info in record.infos.items()}
    primary = infos.get(metric) or next(iter(infos.values()))
    ranked = sorted(records, key=lambda record: _order(record, primary))
    rows: list[Standing] = []
    for place, record in enumerate(ranked, 1):
        value = record.values.get(primary.name)
        tied = bool(rows) and rows[-1].record.values.get(primary.name) == value
        known = value is not None and not math.isnan(value)
        rank = (rows[-1].rank if tied else place) if known else None
        rows.append(Standing(rank, record))
    first = records[0]
    return Group(
        test_set=first.test_set,
        protocol_hash=first.protocol_hash,
        primary=primary,
        rows=tuple(rows),
    )


def _order(record: EvaluationRecord, primary: MetricInfo) -> tuple[bool, float]:
    """Best first, unknown last."""
    value = record.values.get(primary.name, math.nan)
    unknown = math.isnan(value)
    return unknown, 0.0 if unknown else -value if primary.better == "higher" else value
