"""Give each variant its priority: which runs take the next slot."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase

from tempo.core.catalog import unknown
from tempo.core.records import Plan


def priorities(plan: Plan) -> dict[str, int]:
    """Return the priority of each variant of a plan, 0 where the spec gives none.

    >>> from tempo.design.priorities import priority_of
    >>> priority_of({"V3": 5, "se=*": 1}, "V3"), priority_of({"V3": 5, "se=*": 1}, "se=on")
    (5, 1)
    """
    asked: Mapping[str, int] = plan.spec.get("priority") or {}
    methods = (method for test_set in plan.test_sets for method in test_set.methods)
    return {each.name: priority_of(asked, each.name) for each in (*plan.variants, *methods)}


def priority_of(asked: Mapping[str, int], variant: str) -> int:
    """Return the priority of a variant: of its own name, else the highest of the patterns that its
    name matches."""
    if variant in asked:
        return asked[variant]
    found = [value for pattern, value in asked.items() if fnmatchcase(variant, pattern)]
    return max(found, default=0)


def unmatched(asked: Collection[str], variants: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the names and patterns that no variant has, each with a sentence."""
    for pattern in asked:
        if not any(pattern == name or fnmatchcase(name, pattern) for name in variants):
            yield pattern, unknown("variant of priority", pattern, variants)
