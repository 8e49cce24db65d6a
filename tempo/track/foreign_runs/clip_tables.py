"""Read tables of values by clip, as CSV or Parquet: one file for many runs, or a file a run.

Columns: `clip` (also `clip_id`, `sample`, `name`), and where they are there `source` (also
`sequence`, `video`, `scene`), `variant` (also `method`, `model`), `seed`. Every other column of
numbers is a metric; `motion` and `occlusion` are properties of the clip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tempo.core.errors import MissingError, RecordError
from tempo.core.identity import short_hash
from tempo.records.files import LARGE, read_bytes
from tempo.records.json_text import one_line
from tempo.track.foreign_runs.stored_run import ClipRows, StoredRun, name_and_seed

SUFFIXES = (".csv", ".tsv", ".parquet")
NAMES = {
    "clip": ("clip", "clip_id", "sample", "name"),
    "source": ("source", "sequence", "video", "scene"),
    "variant": ("variant", "method", "model"),
    "seed": ("seed",),
}
PROPERTIES = frozenset({"motion", "occlusion"})
MOST_ROWS = 10**7

Rows = Mapping[str, Sequence[Any]]


def is_clip_table(path: Path) -> bool:
    """Whether a file is a table, or a folder holds some."""
    if path.is_file():
        return path.suffix.lower() in SUFFIXES
    return any(each.suffix.lower() in SUFFIXES for each in path.iterdir())


def read_clip_tables(path: Path) -> list[StoredRun]:
    """Return a run for each variant and seed of the tables at `path`.

    Raises:
        MissingError: when there is no table.
        RecordError: when one cannot be read, names no clip, or names a clip twice.
    """
    files = [path] if path.is_file() else sorted(path.iterdir())
    files = [each for each in files if each.suffix.lower() in SUFFIXES]
    if not files:
        raise MissingError(f"there are no tables ({', '.join(SUFFIXES)}) in {path}")
    root = path.parent if path.is_file() else path
    experiment = path.stem if path.is_file() else path.resolve().name
    found: list[StoredRun] = []
    for file in files:
        found += _runs(file, root, experiment)
    named = [(run.tags["variant"], run.tags["seed"]) for run in found]
    for key in named:
        if named.count(key) > 1:
            raise RecordError(
                f"{path}: several tables are of variant {key[0]!r} with seed {key[1]}; give each "
                "file a name of its own (VARIANT_sSEED.csv), or columns `variant` and `seed`"
            )
    return found


def _runs(file: Path, root: Path, experiment: str) -> list[StoredRun]:
    rows = _read(file)
    columns = {kind: next((n for n in names if n in rows), "") for kind, names in NAMES.items()}
    if not columns["clip"]:
        known = ", ".join(map(repr, rows))
        raise RecordError(
            f"{file} has no column of clips ({', '.join(NAMES['clip'])}); it has {known}"
        )
    stem, numbered = name_and_seed(file.stem)
    own = stem, numbered or "0"
    count = len(rows[columns["clip"]])
    variants = (
        [str(v) for v in rows[columns["variant"]]] if columns["variant"] else [own[0]] * count
    )
    seeds = [_seed(v, file) for v in rows[columns["seed"]]] if columns["seed"] else [own[1]] * count
    groups: dict[tuple[str, str], list[int]] = {}
    for place, key in enumerate(zip(variants, seeds, strict=True)):
        groups.setdefault(key, []).append(place)
    used = set(columns.values())
    numeric = [name for name in rows if name not in used and _numeric(rows[name])]
    metrics = [name for name in numeric if name not in PROPERTIES]
    if not metrics:
        raise RecordError(
            f"{file} has no metric: no column of numbers beside {', '.join(sorted(used - {''}))}"
        )
    time = file.stat().st_mtime
    return [
        StoredRun(
            id=short_hash(["clips", str(file.resolve()), variant, seed], 32),
            name=variant,
            experiment=experiment,
            status="FINISHED",
            started=time,
            ended=time,
            params={"variant": variant},
            tags={"variant": variant, "seed": seed, "file": file.relative_to(root).as_posix()},
            history={},
            clips=_clips(file, rows, columns, metrics, numeric, places),
        )
        for (variant, seed), places in groups.items()
    ]


def _clips(
    file: Path,
    rows: Rows,
    columns: Mapping[str, str],
    metrics: Sequence[str],
    numeric: Sequence[str],
    places: Sequence[int],
) -> ClipRows:
    clips = [str(rows[columns["clip"]][place]) for place in places]
    if len(set(clips)) != len(clips):
        twice = next(clip for clip in clips if clips.count(clip) > 1)
        raise RecordError(
            f"{file} names the clip {twice!r} twice for one variant and seed; columns `variant` "
            "and `seed` tell runs apart"
        )
    sources = [str(rows[columns["source"]][p]) for p in places] if columns["source"] else clips
    values = {name: tuple(_number(rows[name][place]) for place in places) for name in numeric}
    return ClipRows(
        clips=tuple(clips),
        sources=tuple(sources),
        values={name: values[name] for name in metrics},
        properties={name: values[name] for name in numeric if name not in metrics},
    )


def _seed(value: Any, file: Path) -> str:
    number = _number(value)
    if not (math.isfinite(number) and number.is_integer() and number >= 0):
        raise RecordError(f"{file} has the seed {value!r}; a seed is a whole number from 0")
    return str(int(number))


def _number(value: Any) -> float:
    try:
        return math.nan if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        return math.nan


def _numeric(column: Sequence[Any]) -> bool:
    """Whether a column holds numbers, and nothing else but gaps."""
    some = False
    for value in column:
        if value is None or value == "" or isinstance(value, bool):
            continue
        try:
            float(value)
        except (TypeError, ValueError):
            return False
        some = True
    return some


def _read(file: Path) -> Rows:
    """The columns of a table by name."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    content = pa.BufferReader(read_bytes(file, LARGE))
    try:
        if file.suffix.lower() == ".parquet":
            table = parquet.read_table(content)
        else:
            between = "\t" if file.suffix.lower() == ".tsv" else ","
            # As texts: a clip called 0001 keeps its zeros.
            head = csv.open_csv(content, parse_options=csv.ParseOptions(delimiter=between))
            texts = {name: pa.string() for name in head.schema.names}
            content.seek(0)
            table = csv.read_csv(
                content,
                parse_options=csv.ParseOptions(delimiter=between),
                convert_options=csv.ConvertOptions(column_types=texts, strings_can_be_null=True),
            )
    except Exception as error:
        # Arrow raises whatever the damage leads to.
        raise RecordError(f"{file} cannot be read as a table: {one_line(error)}") from error
    if len(set(table.column_names)) != len(table.column_names):
        raise RecordError(f"{file} has two columns of one name")
    if table.num_rows == 0 or table.num_rows > MOST_ROWS:
        raise RecordError(f"{file} has {table.num_rows:,} rows; from 1 to {MOST_ROWS:,} are read")
    return {name.strip(): table[name].to_pylist() for name in table.column_names}
