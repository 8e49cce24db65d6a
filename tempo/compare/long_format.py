"""List a comparison's per-clip values and curves in long format: one row for each number.

The rows are plain records, ready for a data frame:
`pandas.DataFrame(map(dataclasses.asdict, clip_rows(comparison)))`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tempo.compare.comparison import Comparison
from tempo.compare.loading.clip_values import numbers, read_table
from tempo.core.catalog import unknown
from tempo.core.errors import RecordError, TempoError


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A run's value of a metric on one clip of the test split; NaN where it has none.

    `source` is the video or photograph that the clip was cut from; `seed` is None for references.
    """

    variant: str
    seed: int | None
    run_id: str
    clip: str
    source: str
    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class CurveRow:
    """A variant's mean of a quantity over `seeds` seeds at one step.

    `low` and `high` bound the mean (see `Curve.band`), None with one seed; `seconds` of training
    are None where the record does not say.
    """

    variant: str
    split: Literal["train", "val"]
    metric: str
    step: int
    epoch: float
    seconds: float | None
    mean: float
    low: float | None
    high: float | None
    seeds: int


def clip_rows(comparison: Comparison, metrics: Sequence[str] | None = None) -> Iterator[ClipRow]:
    """Yield the per-clip values of every finished run, read from the runs' records.

    Runs come in plan order, each with its metrics and their clips. None of a comparison of
    validation numbers, which are kept as means alone; runs whose table is missing or was altered
    are left out, as the contrasts leave them out (see `Comparison.headline`).

    Args:
        metrics: names of the metrics to read; None for those of the comparison's table.

    Raises:
        TempoError: for a metric that no run was evaluated by.
    """
    runs = [(run, run.table) for run in comparison.runs if run.values and run.table]
    if comparison.split != "test" or not runs:
        return
    known = dict.fromkeys(name for run, _ in runs for name in run.values)
    for name in metrics or ():
        if name not in known:
            raise TempoError(unknown("metric", name, known))
    wanted = [info.name for info in comparison.metrics] if metrics is None else metrics
    for run, path in runs:
        try:
            table = read_table(path, run.table_sha256)
        except (RecordError, OSError):
            continue
        clips, sources = table["clip"].to_pylist(), table["source"].to_pylist()
        for metric in [name for name in wanted if name in table.column_names]:
            values = numbers(table[metric]).tolist()
            for clip, source, value in zip(clips, sources, values, strict=True):
                yield ClipRow(run.variant, run.seed, run.run_id, clip, str(source), metric, value)


def curve_rows(comparison: Comparison) -> Iterator[CurveRow]:
    """Yield the validation curves of the table's metrics, then the training curves, by step.

    None of a comparison whose query asked for the table alone.
    """
    for curve in (*comparison.curves, *comparison.health):
        columns = (curve.steps, curve.epochs, curve.seconds, curve.mean, curve.low, curve.high)
        for point in zip(*columns, curve.counts, strict=True):
            yield CurveRow(curve.variant, curve.split, curve.name, *point)
