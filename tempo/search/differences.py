"""Looking into configs as JSON values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_ABSENT = object()


def at_path(config: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; a marker equal to nothing where there is none."""
    value: Any = config
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """The dotted paths at which two JSON values differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}):
            below = f"{path}.{key}" if path else str(key)
            yield from differences(one.get(key, _ABSENT), other.get(key, _ABSENT), below)
    elif one != other:
        yield path
