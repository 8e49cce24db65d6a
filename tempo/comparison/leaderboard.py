"""Rank evaluations whose numbers mean the same: one leaderboard for each test set and protocol."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tempo.core.records import MetricInfo
from tempo.records.method_results.evaluations import EvaluationRecord


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """An evaluation and its place in its leaderboard; None without a number to rank by."""

    rank: int | None
    record: EvaluationRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Evaluations under one protocol, best first by `primary`; no two protocols share one."""

    test_set: str
    protocol_hash: str
    primary: MetricInfo
    rows: tuple[LeaderboardRow, ...]


def leaderboards(records: Sequence[EvaluationRecord], metric: str) -> tuple[Leaderboard, ...]:
    """Return the leaderboards in the order in which their test sets and protocols first appear.

    Ranked by `metric`, or by the first metric there is where no evaluation has it.
    """
    keys = dict.fromkeys((record.test_set, record.protocol_hash) for record in records)
    return tuple(
        _leaderboard([r for r in records if (r.test_set, r.protocol_hash) == key], metric)
        for key in keys
    )


def _leaderboard(records: Sequence[EvaluationRecord], metric: str) -> Leaderboard:
    infos = {name: info for record in records for name, info in record.infos.items()}
    primary = infos.get(metric) or next(iter(infos.values()))
    ranked = sorted(records, key=lambda record: _order(record, primary))
    rows: list[LeaderboardRow] = []
    for place, record in enumerate(ranked, 1):
        value = record.values.get(primary.name)
        tied = bool(rows) and rows[-1].record.values.get(primary.name) == value
        known = value is not None and not math.isnan(value)
        rank = (rows[-1].rank if tied else place) if known else None
        rows.append(LeaderboardRow(rank, record))
    return Leaderboard(
        test_set=records[0].test_set,
        protocol_hash=records[0].protocol_hash,
        primary=primary,
        rows=tuple(rows),
    )


def _order(record: EvaluationRecord, primary: MetricInfo) -> tuple[bool, float]:
    """Return the key that sorts the best first and the unknown last."""
    value = record.values.get(primary.name, math.nan)
    unknown = math.isnan(value)
    return unknown, 0.0 if unknown else -value if primary.better == "higher" else value
