"""Average a metric of evaluated methods over clips that are alike in a property."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tempo.comparison.clip_bins import bins
from tempo.comparison.leaderboard import Leaderboard
from tempo.comparison.statistics.seed_source_matrix import Array
from tempo.core.records import MetricInfo
from tempo.records.files import inside
from tempo.records.memory.clip_tables import numbers, read_table
from tempo.records.method_results.evaluations import EvaluationRecord

FolderOf = Callable[[EvaluationRecord], Path]
"""Returns the folder that a record lies in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipStratum:
    """Hold the mean of a metric by method, over the clips of a set between `low` and `high`.

    The property `by` is that of the clip: the target's time between the outer frames, motion in
    pixels, or the occluded share.
    """

    test_set: str
    protocol_hash: str
    by: str
    low: float
    high: float
    clips: int
    metric: MetricInfo
    values: Mapping[str, float]


def clip_strata(
    groups: Sequence[Leaderboard], folder_of: FolderOf, by: str
) -> tuple[ClipStratum, ...]:
    """Return the strata of every test set and protocol, of the metric that it is ranked by.

    A set whose clips are all alike in the property `by` has none, and neither has one that was
    evaluated before tables held it.

    Raises:
        RecordError: when a table of clips is missing or was altered.
    """
    return tuple(each for group in groups for each in _strata(group, folder_of, by))


def _strata(group: Leaderboard, folder_of: FolderOf, by: str) -> Iterator[ClipStratum]:
    metric = group.primary
    known: dict[str, tuple[Array, Array]] = {}
    for row in group.rows:
        found = _columns(row.record, folder_of(row.record), by, metric.name)
        if found is not None:
            name, run = row.record.method, row.record.run_id or f"place {row.rank}"
            known[f"{name} ({run})" if name in known else name] = found
    if not known:
        return
    # Rows of one protocol have the same clips in the same order.
    property_of_clips = next(iter(known.values()))[0]
    for low, high, chosen in bins(by, property_of_clips, least=1):
        yield ClipStratum(
            test_set=group.test_set,
            protocol_hash=group.protocol_hash,
            by=by,
            low=low,
            high=high,
            clips=int(chosen.sum()),
            metric=metric,
            values={method: float(values[chosen].mean()) for method, (_, values) in known.items()},
        )


def _columns(
    record: EvaluationRecord, folder: Path, by: str, metric: str
) -> tuple[Array, Array] | None:
    """Return the property and the metric of each clip; None where the table lacks one."""
    table = read_table(inside(folder, record.table), record.table_sha256)
    if by not in table.column_names or metric not in table.column_names:
        return None
    return numbers(table[by]), np.asarray(numbers(table[metric]))
