"""Flatten nested configs to dotted paths, look up a path, and list where two configs differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ABSENT = object()
"""Stands for the value of a field that a config does not have; equal to nothing else."""


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Map each leaf's dotted path to its value. Lists are leaves; empty mappings vanish."""
    if not isinstance(config, Mapping):
        return {prefix: config}
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        leaves |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return leaves


def at_path(config: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, `ABSENT` where there is none."""
    value: Any = config
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return ABSENT
        value = value[part]
    return value


def diff(
    before: Mapping[str, Any], after: Mapping[str, Any], missing: Any = None
) -> dict[str, tuple[Any, Any]]:
    """Map each dotted path at which two configs differ to its value in both.

    Only what is a mapping in both is looked into; flatten the configs first for leaves alone.
    `missing` stands in where a config has no such field. Paths keep the order of `before`, then
    that of `after`.
    """
    changed: dict[str, tuple[Any, Any]] = {}
    for key in {**before, **after}:
        was, now = before.get(key, missing), after.get(key, missing)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            changed |= {f"{key}.{path}": pair for path, pair in diff(was, now, missing).items()}
        elif was != now:
            changed[str(key)] = was, now
    return changed
