"""A whole comparison as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from json import dumps
from math import isfinite, isnan
from pathlib import Path
from typing import Any


def json(record: Any) -> str:
    """Any record of a comparison. What is missing or not a number is null, infinity a string."""
    return dumps(plain(record), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def plain(value: Any) -> Any:
    """Nested lists, mappings and JSON values."""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _keyed(value)


def _number(value: float) -> float | str | None:
    return value if isfinite(value) else None if isnan(value) else str(value)


def _keyed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no part of a comparison")
