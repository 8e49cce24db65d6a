"""Columns of a table for Parquet. `pyarrow.array` would import pandas, which takes half a second of
every run; these are made of the buffers that the Arrow format defines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def texts(values: Sequence[str]) -> pa.Array:
    """A column of strings without gaps."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def numbers(values: Sequence[float | None]) -> pa.Array:
    """A column of float64; None stays a gap, which is something else than NaN."""
    known = np.array([value is not None for value in values], dtype=bool)
    filled = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    bits = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(pa.float64(), len(values), [bits, pa.py_buffer(filled)])
