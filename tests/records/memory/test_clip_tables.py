"""The numbers of tables of clips are remembered, and never taken for those of another file."""

import hashlib
import os
import sqlite3
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tempo.core.errors import RecordError
from tempo.records.memory import clip_tables, derived_values
from tempo.records.memory.clip_tables import ClipColumns, read_columns, read_table
from tempo.records.memory.derived_values import NAME, remembering

COLUMNS = {
    "clip": ["b", "a", "ü"],
    "source": ["one", None, "one"],
    "psnr": [30.5, float("nan"), float("inf")],
    "motion": [1, 2, None],
    "half": pa.array([0.1, -0.0, 0.3], pa.float32()),
    "remark": ["x", "y", "z"],
}


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were written a moment ago count as those of last week."""
    monkeypatch.setattr(derived_values, "SETTLED_NS", 0)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "records" / "clips.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table(COLUMNS), path)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same(one: ClipColumns, other: ClipColumns) -> bool:
    """Whether two tables are the same to the last bit."""
    bits = [
        {name: each.tobytes() for name, each in table.numbers.items()} for table in (one, other)
    ]
    labels = [(table.clips, table.sources) for table in (one, other)]
    return labels[0] == labels[1] and list(bits[0].items()) == list(bits[1].items())


def no_parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the file was parsed")

    monkeypatch.setattr(clip_tables, "_parsed", refuse)


def test_numbers_are_those_of_the_table(table: Path) -> None:
    found = read_columns(table, sha256(table))
    assert found.clips == ("b", "a", "ü") and found.sources == ("one", "None", "one")
    assert list(found.numbers) == ["psnr", "motion", "half"]
    assert np.array_equal(found.numbers["motion"], [1, 2, np.nan], equal_nan=True)
    whole = read_table(table, sha256(table))
    assert whole.column_names == list(COLUMNS)
    assert found.numbers["half"].tolist() == whole["half"].to_pylist()


@pytest.mark.parametrize("metrics", [None, ["psnr"], ["psnr", "absent"], []])
def test_what_is_remembered_is_what_is_read(
    table: Path, metrics: list[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = read_columns(table, sha256(table), metrics)
    assert metrics is None or set(plain.numbers) == set(metrics) & set(COLUMNS)
    with remembering(table.parent):
        assert same(read_columns(table, sha256(table), metrics), plain)
    no_parquet(monkeypatch)
    with remembering(table.parent):
        assert same(read_columns(table, sha256(table), metrics), plain)
    with pytest.raises(RecordError, match="is no table of clips"):
        read_columns(table, sha256(table), metrics)


def test_an_altered_table_is_named_however_well_it_was_known(table: Path) -> None:
    digest = sha256(table)
    with remembering(table.parent):
        read_columns(table, digest)
    about, content = table.stat(), bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    os.utime(table, ns=(about.st_atime_ns, about.st_mtime_ns))
    with remembering(table.parent), pytest.raises(RecordError, match="SHA-256 differs"):
        read_columns(table, digest)
    table.unlink()
    with remembering(table.parent), pytest.raises(RecordError, match="is missing"):
        read_columns(table, digest)


@pytest.mark.parametrize(
    "value", [b"", b"x" * 15, b"x" * 99, b"\0" * 16, b"\2" + b"\0" * 15 + b"[]", b"\0" * 40]
)
def test_values_that_are_no_such_thing_are_derived_again(table: Path, value: bytes) -> None:
    plain = read_columns(table, sha256(table))
    with remembering(table.parent):
        read_columns(table, sha256(table))
    with sqlite3.connect(table.parent / NAME) as database:
        command = "UPDATE derived SET value = ?, checksum = ?"
        assert database.execute(command, (value, zlib.crc32(value))).rowcount == 1
    database.close()
    with remembering(table.parent):
        assert same(read_columns(table, sha256(table)), plain)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table of anything" * 20])
def test_what_is_no_table_is_a_sentence(table: Path, content: bytes) -> None:
    table.write_bytes(content)
    for reader in (read_columns, read_table):
        with pytest.raises(RecordError, match="is no table of clips"):
            reader(table, sha256(table))
