"""Read tables of per-clip values, and remember their numbers as columns that need no Parquet."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tempo.core.errors import RecordError
from tempo.records.files import LARGE, read_bytes
from tempo.records.json_text import one_line
from tempo.records.memory.derived_values import Source

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[np.float64]

LABELS = ("clip", "source")

MOST_CELLS = 10**8
"""Rows times columns: a small file can claim more than any memory holds."""

_LENGTHS = struct.Struct("<QQ")


@dataclass(frozen=True, slots=True)
class ClipColumns:
    """The clips of a table with their sources, and its columns of numbers, null as NaN."""

    clips: tuple[str, ...]
    sources: tuple[str, ...]
    numbers: Mapping[str, Array]


def read_columns(path: Path, sha256: str, metrics: Sequence[str] | None = None) -> ClipColumns:
    """Read the numbers of a table of per-clip values, those of `metrics` or all.

    They are remembered (see `remembering`), but the file must still be the one of that SHA-256.

    Raises:
        RecordError: as `read_table`.
    """
    source = Source(path)
    part = "clips" if metrics is None else f"clips {','.join(metrics)}"
    content = _checked(path, sha256)
    if (kept := source.recall(part)) is not None:
        with suppress(struct.error, TypeError, ValueError):
            return _unpacked(kept)
    found = _columns(path, content, None if metrics is None else [*LABELS, *metrics])
    source.keep(part, _packed(found))
    return found


def read_table(path: Path, sha256: str) -> pa.Table:
    """Read a table of per-clip values.

    Raises:
        RecordError: when there is none, when the file is not the one of that SHA-256, or when it
            is no table of clips.
    """
    content = _checked(path, sha256)
    try:
        return _parsed(content, None)
    except Exception as error:
        raise _no_table(path, error) from error


def _columns(path: Path, content: bytes, names: list[str] | None) -> ClipColumns:
    try:
        table = _parsed(content, names)
        found = {name: table[name] for name in dict.fromkeys(table.column_names)}
        return ClipColumns(
            clips=tuple(table["clip"].to_pylist()),
            sources=tuple(map(str, table["source"].to_pylist())),
            numbers={name: numbers(each) for name, each in found.items() if _is_number(each)},
        )
    except Exception as error:
        raise _no_table(path, error) from error


def _checked(path: Path, sha256: str) -> bytes:
    """Return the content of a file that is the one of that SHA-256."""
    content = read_bytes(path, LARGE)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RecordError(f"{path} is not the table that was evaluated (its SHA-256 differs)")
    return content


def _no_table(path: Path, error: Exception) -> RecordError:
    """Return what is wrong with a table: Arrow raises whatever the damage leads to."""
    return RecordError(f"{path} is no table of clips ({one_line(error)})")


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


def _packed(found: ClipColumns) -> bytes:
    """Return columns as bytes: lengths, labels, names, then the numbers."""
    labels = json.dumps([found.clips, found.sources], separators=(",", ":")).encode()
    names = json.dumps(list(found.numbers)).encode()
    blocks = (np.ascontiguousarray(each).tobytes() for each in found.numbers.values())
    return b"".join((_LENGTHS.pack(len(labels), len(names)), labels, names, *blocks))


def _unpacked(content: bytes) -> ClipColumns:
    """Return what `_packed` wrote.

    Raises:
        struct.error, TypeError, ValueError: when it is something else.
    """
    first, second = _LENGTHS.unpack_from(content)
    begin, end = _LENGTHS.size + first, _LENGTHS.size + first + second
    clips, sources = _labels(content[_LENGTHS.size : begin])
    names = json.loads(content[begin:end])
    values = np.frombuffer(content[end:], dtype=float).reshape(len(names), len(clips))
    return ClipColumns(clips, sources, dict(zip(names, values, strict=True)))


@lru_cache(maxsize=64)
def _labels(content: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return clips and sources; the runs of a study share theirs."""
    clips, sources = json.loads(content)
    return tuple(clips), tuple(sources)
