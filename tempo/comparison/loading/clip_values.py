"""Read per-clip values of finished runs, on the clips that all of them were judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from tempo.records.files import inside
from tempo.records.memory.clip_tables import ClipColumns, read_columns


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
        values, judged = self.values[metric], self.judged(metric)
        own: dict[str, list[int]] = {}
        for row, (name, _) in enumerate(self.keys):
            own.setdefault(name, []).append(row)
        return {name: _mean(values, rows, judged) for name, rows in own.items()}


def _mean(values: Array, own: Sequence[int], judged: Mask) -> Array:
    """Return the mean of a variant's runs, of those that have a value where some have."""
    rows = [row for row in own if judged[row]]
    return np.asarray(values[rows or own].mean(axis=0))


def read_clips(runs: Sequence[Run], metrics: Sequence[str] | None = None) -> ClipValues | None:
    """Read the tables of `runs`, which share a protocol; None when there is none.

    `metrics`: the columns to read; None reads all. A table that is missing or altered since its
    evaluation is left out and named.
    """
    tables: list[tuple[Run, ClipColumns]] = []
    problems: dict[str, str] = {}
    for run in runs:
        try:
            if run.test is None:
                raise RecordError(f"{run.folder} has no test evaluation")
            path, digest = inside(run.folder, run.test.table), run.test.table_sha256
            tables.append((run, read_columns(path, digest, metrics)))
        except RecordError as error:
            problems[run.run_id] = str(error)
    return _joined(tables, problems) if tables else None


def _joined(tables: list[tuple[Run, ClipColumns]], problems: dict[str, str]) -> ClipValues:
    first = tables[0][1]
    clips = first.clips
    other = {at: own.clips for at, (_, own) in enumerate(tables) if own.clips != clips}
    shared = set(clips).intersection(*other.values())
    union = set(clips).union(*other.values())
    chosen = [clip for clip in clips if clip in shared]
    alike = np.array([place for place, clip in enumerate(clips) if clip in shared], dtype=np.intp)
    where = [alike] * len(tables)
    for at, own in other.items():
        index = {clip: place for place, clip in enumerate(own)}
        where[at] = np.array([index[clip] for clip in chosen], dtype=np.intp)
    measured = {name for run, _ in tables for name in _metrics(run)}
    numeric = dict.fromkeys(name for _, table in tables for name in table.numbers)
    stacked = {
        name: np.stack([_column(t, name, at) for (_, t), at in zip(tables, where, strict=True)])
        for name in numeric
        if name in measured or all(name in table.numbers for _, table in tables)
    }
    sources = dict(zip(clips, first.sources, strict=True))
    return ClipValues(
        keys=tuple(run.key for run, _ in tables),
        origins=tuple(str(run.folder) for run, _ in tables),
        clips=tuple(chosen),
        sources=tuple(sources[clip] for clip in chosen),
        values={name: value for name, value in stacked.items() if name in measured},
        properties={name: value[0] for name, value in stacked.items() if name not in measured},
        problems=problems,
        dropped=len(union) - len(chosen),
    )


def _metrics(run: Run) -> set[str]:
    return set(run.values) | set(run.test.values if run.test else ())


def _column(table: ClipColumns, name: str, where: Index) -> Array:
    """Return a column of the clips `where`; NaN throughout in a table that does not have it."""
    column = table.numbers.get(name)
    return np.full(len(where), np.nan) if column is None else column[where]
