"""Change what a written study was measured to be: one run's table of clips, or every value."""

import json
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.statistics.random_effects import RandomEffects
from tempo.comparison.statistics.seed_source_matrix import matrix_of
from tempo.core.records import Plan
from tempo.records.events import encode
from tempo.records.files import sha256_of
from tempo.records.layout import Store

Columns = dict[str, np.ndarray]


def alter(
    store: Store,
    plan: Plan,
    variant: str,
    seed: int | None,
    change: Callable[[Columns], Columns],
) -> None:
    """Replace the columns of a run's table, and what its evaluation says of it."""
    (run_id,) = [r.run_id for r in plan.runs if (r.variant, r.seed) == (variant, seed)]
    folder = store.run_dir(run_id)
    table = pq.read_table(folder / "clips.parquet")
    before = {name: np.array(table[name].to_pylist()) for name in table.column_names}
    after = change(dict(before))
    pq.write_table(pa.table(after), folder / "clips.parquet")
    log = folder / "events.jsonl"
    log.write_text("".join(_line(line, folder, after) for line in log.read_text().splitlines()))


def _line(line: str, folder: Any, columns: Columns) -> str:
    event = json.loads(line)
    if "table_sha256" in event:
        event["table_sha256"] = sha256_of(folder / "clips.parquet")
        event["values"] = {
            name: float(columns[name].mean()) for name in event["values"] if name in columns
        }
    return json.dumps(encode(event), allow_nan=False) + "\n"


def only(*places: int) -> Callable[[Columns], Columns]:
    """Keep the clips at `places`."""
    return lambda columns: {name: each[list(places)] for name, each in columns.items()}


def without(*places: int) -> Callable[[Columns], Columns]:
    """Leave out the clips at `places`."""
    return lambda columns: {name: np.delete(each, places) for name, each in columns.items()}


def put(metric: str, place: int | slice, value: float) -> Callable[[Columns], Columns]:
    """Give the clips at `place` another value in `metric`."""

    def change(columns: Columns) -> Columns:
        columns[metric] = columns[metric].astype(float)
        columns[metric][place] = value
        return columns

    return change


def redrawn(make: ModuleType, fitted: FittedStudy, study: Any) -> FittedStudy:
    """Return the fitted study with the values that `study` draws, without writing records."""
    draw = make.Draw(study)
    arms = {arm.name: arm for arm in study.arms}
    keys = [(name, seed) for name in arms for seed in range(study.seeds)]
    values = np.array([draw.values(arms[name], seed) for name, seed in keys])
    sources = [str(each) for each in draw.source]
    matrix = matrix_of(keys, values, sources)
    return replace(fitted, models={"psnr": RandomEffects(matrix, fitted.baseline)})
