"""Columns of a table, against those that pyarrow makes."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tempo.train.evaluation.evaluator import numbers, texts


@given(st.lists(st.text()))
def test_texts_are_those_of_pyarrow(values: list[str]) -> None:
    column = texts(values)
    column.validate(full=True)
    assert column.equals(pa.array(values, pa.string()))


@given(st.lists(st.none() | st.floats(allow_nan=False)))
def test_numbers_are_those_of_pyarrow(values: list[float | None]) -> None:
    column = numbers(values)
    column.validate(full=True)
    assert column.equals(pa.array(values, pa.float64()))


def test_not_a_number_is_no_gap() -> None:
    column = numbers([float("nan"), None])
    assert column.null_count == 1
    assert column.is_null().to_pylist() == [False, True]


def test_a_table_is_written_without_pandas() -> None:
    code = """
import io, sys
import pyarrow as pa, pyarrow.parquet as pq
from tempo.train.evaluation.evaluator import numbers, texts
table = pa.Table.from_arrays([texts(["a"]), numbers([None])], ["clip", "motion"])
pq.write_table(table, io.BytesIO())
print("pandas" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"
