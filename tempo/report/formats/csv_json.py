"""Write a table as CSV, and a table or any record of a comparison as JSON, at full precision."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from tempo.report.formats.table import Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def csv_text(table: Table) -> str:
    """Return a header and one line of CSV a line; what is missing is an empty cell.

    A label that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_safe(column.heading) for column in table.columns])
    writer.writerows([_safe(value) for value in record.values()] for record in table.records())
    return buffer.getvalue()


def _safe(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = _UNWRITABLE.sub("\ufffd", value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def json_text(value: Any) -> str:
    """Return a table's records, or a whole comparison, as JSON.

    What is missing or not a number becomes null, infinity a string.
    """
    plain = to_json(value.records() if isinstance(value, Table) else value)
    return json.dumps(plain, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def to_json(value: Any) -> Any:
    """Return nested lists, mappings and JSON values."""
    if isinstance(value, float):
        return value if isfinite(value) else None if isnan(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Path | Enum):
        return str(value) if isinstance(value, Path) else to_json(value.value)
    raise TypeError(f"{type(value).__name__} is no part of a comparison")
