"""Per-clip values of finished runs, on the clips that all of them were judged on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from tempo.compare.loading.load_runs import Run
from tempo.compare.statistics.seed_source_matrix import Array, Panel, panel_of
from tempo.core.errors import RecordError

if TYPE_CHECKING:
    import pyarrow as pa

LABELS = ("clip", "source")


@dataclass(frozen=True)
class Clips:
    """`values[metric]` is (runs, clips); rows are `keys` read from `origins`, columns are `clips`.

    `properties` are the numbers known of a clip itself (motion, occlusion), NaN where unknown.
    `problems` maps a run_id to why its table was left out; `dropped` is the number of clips that
    not every run has.
    """

    keys: tuple[tuple[str, int | None], ...]
    origins: tuple[str, ...]
    clips: tuple[str, ...]
    sources: tuple[str, ...]
    values: Mapping[str, Array]
    properties: Mapping[str, Array]
    problems: Mapping[str, str]
    dropped: int

    def panel(self, metric: str) -> tuple[Panel, int]:
        """The panel of a metric, and how many clips were left out for lack of a finite value."""
        values = self.values[metric]
        finite = np.asarray(np.isfinite(values).all(axis=0))
        sources = [source for source, keep in zip(self.sources, finite, strict=True) if keep]
        return panel_of(self.keys, values[:, finite], sources, self.origins), int((~finite).sum())


def read_clips(runs: Sequence[Run], metrics: Sequence[str] | None = None) -> Clips | None:
    """The tables of `runs`, which share a protocol; None when there is none.

    `metrics`: the columns to read; None reads all. A table that is missing or altered since its
    evaluation is left out and named.
    """
    tables: list[tuple[Run, pa.Table]] = []
    problems: dict[str, str] = {}
    for run in runs:
        try:
            tables.append((run, _table(run, metrics)))
        except (RecordError, OSError, ValueError, KeyError) as error:
            problems[run.run_id] = str(error)
    if not tables:
        return None
    return _joined(tables, problems)


def _table(run: Run, metrics: Sequence[str] | None) -> pa.Table:
    import pyarrow.parquet as pq

    test = run.record.test if run.record else None
    if test is None:
        raise RecordError(f"{run.folder} has no test evaluation")
    path = run.folder / test.table
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != test.table_sha256:
        raise RecordError(f"{path} is not the table that was evaluated (its SHA-256 differs)")
    wanted = None if metrics is None else [*LABELS, *metrics]
    return pq.ParquetFile(BytesIO(content)).read(columns=wanted, use_threads=False)


def _joined(tables: list[tuple[Run, pa.Table]], problems: dict[str, str]) -> Clips:
    first_run, first = tables[0]
    order = first["clip"].combine_chunks()
    same = [table["clip"].combine_chunks().equals(order) for _, table in tables]
    clips = order.to_pylist()
    shared = _shared(clips, [t for (_, t), s in zip(tables, same, strict=True) if not s])
    keep = None if len(shared) == len(clips) else np.array([clip in shared for clip in clips])
    chosen = [clip for clip in clips if clip in shared]
    numeric = [name for name in first.column_names if _is_number(first[name])]
    measured = set(first_run.values) | _evaluated(first_run)
    stacked = {
        name: np.stack(
            [_column(t, name, chosen, keep, s) for (_, t), s in zip(tables, same, strict=True)]
        )
        for name in numeric
        if all(name in table.column_names for _, table in tables)
    }
    sources = dict(zip(clips, first["source"].to_pylist(), strict=True))
    return Clips(
        keys=tuple(run.key for run, _ in tables),
        origins=tuple(str(run.folder) for run, _ in tables),
        clips=tuple(chosen),
        sources=tuple(str(sources[clip]) for clip in chosen),
        values={name: value for name, value in stacked.items() if name in measured},
        properties={name: value[0] for name, value in stacked.items() if name not in measured},
        problems=problems,
        dropped=len(set(clips)) - len(chosen),
    )


def _evaluated(run: Run) -> set[str]:
    test = run.record.test if run.record else None
    return set(test.values) if test else set()


def _shared(clips: list[str], others: Sequence[Any]) -> set[str]:
    shared = set(clips)
    for table in others:
        shared &= set(table["clip"].to_pylist())
    return shared


def _column(table: pa.Table, name: str, chosen: list[str], keep: Array | None, same: bool) -> Array:
    column = _numbers(table[name].combine_chunks())
    if same:
        return column if keep is None else column[keep]
    place = {clip: index for index, clip in enumerate(table["clip"].to_pylist())}
    return column[[place[clip] for clip in chosen]]


def _is_number(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(column.type) or pa.types.is_integer(column.type))


def _numbers(column: pa.Array) -> Array:
    """A column as floats, null as NaN. Through DLPack: `to_numpy` would import pandas."""
    if column.null_count:
        column = column.fill_null(float("nan"))
    return np.asarray(np.from_dlpack(column), dtype=float)
