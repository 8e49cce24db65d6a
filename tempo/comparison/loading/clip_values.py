"""Read per-clip values of finished runs, on the clips that all of them were judged on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tempo.comparison.loading.load_runs import Key, Run
from tempo.comparison.statistics.seed_source_matrix import Array, SeedSourceMatrix, matrix_of
from tempo.core.errors import RecordError

if TYPE_CHECKING:
    import pyarrow as pa

LABELS = ("clip", "source")


@dataclass(frozen=True)
class ClipValues:
    """`values[metric]` is (runs, clips); rows are `keys` read from `origins`, columns are `clips`.

    `properties` are the numbers known of a clip itself (motion, occlusion), NaN where unknown.
    `problems` maps a run_id to why its table was left out; `dropped` is the number of clips that
    not every run has.
    """

    keys: tuple[Key, ...]
    origins: tuple[str, ...]
    clips: tuple[str, ...]
    sources: tuple[str, ...]
    values: Mapping[str, Array]
    properties: Mapping[str, Array]
    problems: Mapping[str, str]
    dropped: int

    def matrix(self, metric: str) -> tuple[SeedSourceMatrix, int]:
        """Return a metric's matrix, and how many clips were left out for lack of a finite value."""
        values = self.values[metric]
        finite = np.asarray(np.isfinite(values).all(axis=0))
        sources = [source for source, keep in zip(self.sources, finite, strict=True) if keep]
        return matrix_of(self.keys, values[:, finite], sources, self.origins), int((~finite).sum())

    def means(self, metric: str) -> dict[str, Array]:
        """Return each variant's values per clip, averaged over its seeds; {} without the metric."""
        if metric not in self.values:
            return {}
        names = np.array([name for name, _ in self.keys])
        return {
            name: np.asarray(self.values[metric][names == name].mean(axis=0))
            for name in dict.fromkeys(names.tolist())
        }


def read_clips(runs: Sequence[Run], metrics: Sequence[str] | None = None) -> ClipValues | None:
    """Read the tables of `runs`, which share a protocol; None when there is none.

    `metrics`: the columns to read; None reads all. A table that is missing or altered since its
    evaluation is left out and named.
    """
    tables: list[tuple[Run, pa.Table]] = []
    problems: dict[str, str] = {}
    columns = None if metrics is None else [*LABELS, *metrics]
    for run in runs:
        try:
            if run.test is None:
                raise RecordError(f"{run.folder} has no test evaluation")
            path, digest = run.folder / run.test.table, run.test.table_sha256
            tables.append((run, read_table(path, digest, columns)))
        except (RecordError, OSError, ValueError, KeyError) as error:
            problems[run.run_id] = str(error)
    return _joined(tables, problems) if tables else None


def read_table(path: Path, sha256: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table of per-clip values.

    Raises:
        RecordError: when the file is not the one of that SHA-256.
        OSError: when there is none.
    """
    import pyarrow.parquet as pq

    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RecordError(f"{path} is not the table that was evaluated (its SHA-256 differs)")
    wanted = None if columns is None else list(columns)
    return pq.ParquetFile(BytesIO(content)).read(columns=wanted, use_threads=False)


def _joined(tables: list[tuple[Run, pa.Table]], problems: dict[str, str]) -> ClipValues:
    first_run, first = tables[0]
    order = first["clip"].combine_chunks()
    same = [table["clip"].combine_chunks().equals(order) for _, table in tables]
    clips = order.to_pylist()
    shared = set(clips)
    for (_, table), alike in zip(tables, same, strict=True):
        if not alike:
            shared &= set(table["clip"].to_pylist())
    keep = None if len(shared) == len(clips) else np.array([clip in shared for clip in clips])
    chosen = [clip for clip in clips if clip in shared]
    numeric = [name for name in first.column_names if _is_number(first[name])]
    measured = set(first_run.values) | set(first_run.test.values if first_run.test else ())
    stacked = {
        name: np.stack(
            [_column(t, name, chosen, keep, s) for (_, t), s in zip(tables, same, strict=True)]
        )
        for name in numeric
        if all(name in table.column_names for _, table in tables)
    }
    sources = dict(zip(clips, first["source"].to_pylist(), strict=True))
    return ClipValues(
        keys=tuple(run.key for run, _ in tables),
        origins=tuple(str(run.folder) for run, _ in tables),
        clips=tuple(chosen),
        sources=tuple(str(sources[clip]) for clip in chosen),
        values={name: value for name, value in stacked.items() if name in measured},
        properties={name: value[0] for name, value in stacked.items() if name not in measured},
        problems=problems,
        dropped=len(set(clips)) - len(chosen),
    )


def _column(table: pa.Table, name: str, chosen: list[str], keep: Array | None, same: bool) -> Array:
    column = numbers(table[name])
    if same:
        return column if keep is None else column[keep]
    place = {clip: index for index, clip in enumerate(table["clip"].to_pylist())}
    return column[[place[clip] for clip in chosen]]


def _is_number(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(column.type) or pa.types.is_integer(column.type))


def numbers(column: pa.ChunkedArray) -> Array:
    """Return a column as floats, null as NaN."""
    array = column.combine_chunks()
    if array.null_count:
        array = array.fill_null(float("nan"))
    # Through DLPack: `to_numpy` would import pandas.
    return np.asarray(np.from_dlpack(array), dtype=float)
