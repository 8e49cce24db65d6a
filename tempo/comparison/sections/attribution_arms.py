"""Find the variants that lie between two others, and the factors in which those differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tempo.core.records import PlannedVariant

SECTIONS = ("arch", "recipe")


@dataclass(frozen=True)
class Arms:
    """Variants between `start` and `end`, by which of the differing factors they take from `end`.

    `factors` maps a factor to the config fields it sets together.
    """

    start: str
    end: str
    factors: Mapping[str, tuple[str, ...]]
    taken: Mapping[frozenset[str], str]
    changes: Mapping[str, tuple[str, str]]


def _fields(variant: PlannedVariant) -> dict[str, str]:
    """Return every top-level choice of architecture and recipe, as text."""
    return {
        f"{section}.{name}": json.dumps(value, sort_keys=True)
        for section in SECTIONS
        for name, value in variant.config.get(section, {}).items()
    }


class ArmFinder:
    """Finds the variants that lie between `start` and others."""

    def __init__(self, trained: Mapping[str, PlannedVariant], start: str) -> None:
        self._trained, self._start = trained, start
        self._fields = {name: _fields(variant) for name, variant in trained.items()}
        low = self._fields[start]
        self._apart = {
            name: frozenset(f for f in low | own if own.get(f) != low.get(f))
            for name, own in self._fields.items()
        }

    def to(self, end: str) -> Arms:
        """Return the variants that differ from the start only in what `end` has otherwise."""
        low, high = self._fields[self._start], self._fields[end]
        differing = [field for field in low | high if low.get(field) != high.get(field)]
        patterns: dict[str, tuple[str, ...]] = {}
        for name, own in self._fields.items():
            if self._apart[name] <= self._apart[end]:
                sides = tuple(_side(own.get(f), low.get(f), high.get(f)) for f in differing)
                if "?" not in sides:
                    patterns[name] = sides
        return _arms(self._trained, (self._start, end), (low, high), differing, patterns)


def _arms(
    trained: Mapping[str, PlannedVariant],
    ends: tuple[str, str],
    fields: tuple[Mapping[str, str], Mapping[str, str]],
    differing: Sequence[str],
    patterns: Mapping[str, tuple[str, ...]],
) -> Arms:
    """Return the arms between two ends with their `fields`; `patterns` tells for each arm, of which
    end it has each of the `differing` fields."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for place, field in enumerate(differing):
        column = tuple(sides[place] for sides in patterns.values())
        groups.setdefault(column, []).append(field)
    factors = {_label(trained, list(patterns), c, f): tuple(f) for c, f in groups.items()}
    taken: dict[frozenset[str], str] = {}
    for name, sides in patterns.items():
        side = dict(zip(differing, sides, strict=True))
        own_factors = frozenset(key for key, group in factors.items() if side[group[0]] == "end")
        taken.setdefault(own_factors, name)
    low, high = fields
    changes = {name: (_shown(low, group), _shown(high, group)) for name, group in factors.items()}
    taken[frozenset()], taken[frozenset(factors)] = ends
    return Arms(*ends, factors, taken, changes)


def _side(value: str | None, low: str | None, high: str | None) -> str:
    return "start" if value == low else "end" if value == high else "?"


def _label(
    trained: Mapping[str, PlannedVariant],
    names: Sequence[str],
    column: Sequence[str],
    fields: Sequence[str],
) -> str:
    """Return the study's own factor that toggles just as these fields do, else the fields."""
    for factor in dict.fromkeys(key for name in names for key in trained[name].levels):
        levels = [trained[name].levels.get(factor) for name in names]
        pairs = set(zip(levels, column, strict=True))
        if None not in levels and len(pairs) == len(set(levels)) == len(set(column)) == 2:
            return factor
    return ", ".join(field.split(".", 1)[1] for field in fields)


def _shown(values: Mapping[str, str], group: Sequence[str]) -> str:
    """Return the values of a factor's fields as text, a kind alone by its name."""
    shown = []
    for field in group:
        value = json.loads(values[field]) if field in values else None
        if isinstance(value, dict) and "kind" in value:
            value = value["kind"]
        shown.append(value if isinstance(value, str) else json.dumps(value))
    return ", ".join(shown)
