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
from tempo.comparison.statistics.seed_source_matrix import (
    Array,
    Index,
    Mask,
    SeedSourceMatrix,
    matrix_of,
)
from tempo.core.errors import RecordError
from tempo.records.files import LARGE, inside, read_bytes
from tempo.records.json_text import one_line

if TYPE_CHECKING:
    import pyarrow as pa

LABELS = ("clip", "source")

MOST_CELLS = 10**8
"""Rows times columns: a small file can claim more than any memory holds."""


@dataclass(frozen=True)
class ClipValues:
    """`values[metric]` is (runs, clips); rows are `keys` read from `origins`, columns are `clips`.

    `properties` are the numbers known of a clip itself (motion, occlusion), NaN where unknown.
    `problems` maps a run_id to why its table was left out; `dropped` is the number of clips that
    some run has and not every run.
    """

    keys: tuple[Key, ...]
    origins: tuple[str, ...]
    clips: tuple[str, ...]
    sources: tuple[str, ...]
    values: Mapping[str, Array]
    properties: Mapping[str, Array]
    problems: Mapping[str, str]
    dropped: int

    def judged(self, metric: str) -> Mask:
        """Return which runs have a finite value in some clip; the others say nothing of `metric`.

        One run without any value must not take every clip from all the others.
        """
        return np.asarray(np.isfinite(self.values[metric]).any(axis=1))

    def finite(self, metric: str) -> Mask:
        """Return which clips have a finite value in every run that has any: those compared."""
        judged = self.values[metric][self.judged(metric)]
        if not len(judged):
            return np.zeros(len(self.clips), dtype=bool)
        return np.asarray(np.isfinite(judged).all(axis=0))

    def matrix(self, metric: str, inside: Mask | None = None) -> SeedSourceMatrix | None:
        """Return a metric's matrix over its finite clips (and `inside`); None without a clip."""
        if metric not in self.values:
            return None
        kept, rows = self.finite(metric), np.flatnonzero(self.judged(metric))
        kept = kept if inside is None else kept & inside
        if not kept.any():
            return None
        return matrix_of(
            [self.keys[row] for row in rows],
            self.values[metric][np.ix_(rows, np.flatnonzero(kept))],
            [source for source, keep in zip(self.sources, kept, strict=True) if keep],
            [self.origins[row] for row in rows],
        )

    def why_none(self, metric: str) -> str:
        """Return why `metric` has no matrix, as the end of a sentence."""
        if not self.clips:
            return "no clip was judged by every run, so nothing can be paired"
        if metric not in self.values or not self.judged(metric).any():
            return f"no values of {metric} per clip"
        return f"no clip has a finite {metric} in every run"

    def means(self, metric: str) -> dict[str, Array]:
        """Return each variant's values per clip, averaged over its seeds; {} without the metric."""
        if metric not in self.values:
            return {}
        names, judged = np.array([name for name, _ in self.keys]), self.judged(metric)
        return {
            name: _mean(self.values[metric], names == name, judged)
            for name in dict.fromkeys(names.tolist())
        }


def _mean(values: Array, own: Mask, judged: Mask) -> Array:
    """Return the mean of a variant's runs, of those that have a value where some have."""
    rows = own & judged
    return np.asarray(values[rows if rows.any() else own].mean(axis=0))


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
            path, digest = inside(run.folder, run.test.table), run.test.table_sha256
            tables.append((run, read_table(path, digest, columns)))
        except RecordError as error:
            problems[run.run_id] = str(error)
    return _joined(tables, problems) if tables else None


def read_table(path: Path, sha256: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table of per-clip values.

    Raises:
        RecordError: when there is none, when the file is not the one of that SHA-256, or when it
            is no table of clips.
    """
    content = read_bytes(path, LARGE)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RecordError(f"{path} is not the table that was evaluated (its SHA-256 differs)")
    try:
        return _parsed(content, None if columns is None else list(columns))
    except Exception as error:
        # Arrow raises whatever the damage leads to.
        raise RecordError(f"{path} is no table of clips ({one_line(error)})") from error


def _parsed(content: bytes, columns: list[str] | None) -> pa.Table:
    """Return the table in a Parquet file.

    Raises:
        ValueError: when it is too large, or lacks what every table of clips has.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(BytesIO(content))
    cells = file.metadata.num_rows * file.metadata.num_columns
    if cells > MOST_CELLS:
        raise ValueError(f"it has {cells:,} cells, and at most {MOST_CELLS:,} are read")
    table = file.read(columns=columns, use_threads=False)
    for name in LABELS:
        if table.column_names.count(name) != 1 or not pa.types.is_string(table[name].type):
            raise ValueError(f"it has no column of texts called {name!r}")
    clips = table["clip"]
    if clips.null_count or len(clips.unique()) != len(clips):
        raise ValueError("it does not name each clip once")
    return table


def _joined(tables: list[tuple[Run, pa.Table]], problems: dict[str, str]) -> ClipValues:
    first = tables[0][1]
    order = first["clip"].combine_chunks()
    clips: list[str] = order.to_pylist()
    listed = {
        place: table["clip"].to_pylist()
        for place, (_, table) in enumerate(tables)
        if not table["clip"].combine_chunks().equals(order)
    }
    shared = set(clips).intersection(*listed.values())
    union = set(clips).union(*listed.values())
    chosen = [clip for clip in clips if clip in shared]
    alike = np.array([place for place, clip in enumerate(clips) if clip in shared], dtype=np.intp)
    where = [alike] * len(tables)
    for place, own in listed.items():
        index = {clip: at for at, clip in enumerate(own)}
        where[place] = np.array([index[clip] for clip in chosen], dtype=np.intp)
    measured = {name for run, _ in tables for name in _metrics(run)}
    numeric = dict.fromkeys(
        name for _, table in tables for name in table.column_names if _is_number(table[name])
    )
    stacked = {
        name: np.stack([_column(t, name, at) for (_, t), at in zip(tables, where, strict=True)])
        for name in numeric
        if name in measured or all(name in table.column_names for _, table in tables)
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
        dropped=len(union) - len(chosen),
    )


def _metrics(run: Run) -> set[str]:
    return set(run.values) | set(run.test.values if run.test else ())


def _column(table: pa.Table, name: str, where: Index) -> Array:
    """Return a column of the clips `where`; NaN throughout in a table that does not have it."""
    if name not in table.column_names or not _is_number(table[name]):
        return np.full(len(where), np.nan)
    return numbers(table[name])[where]


def _is_number(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(column.type) or pa.types.is_integer(column.type))


def numbers(column: pa.ChunkedArray) -> Array:
    """Return a column as floats, null as NaN."""
    array = column.combine_chunks()
    if array.null_count:
        array = array.cast("float64").fill_null(float("nan"))
    # Through DLPack: `to_numpy` would import pandas.
    return np.asarray(np.from_dlpack(array), dtype=float)
