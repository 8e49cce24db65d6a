"""Merge one part of a spec over another.

Mappings merge key by key and everything else replaces, but for four rules:

- a mapping that brings another `kind` than the inherited one replaces it whole,
- so does one that brings `preset`, which means: start afresh from that preset,
- so does a `budget`, because exactly one of its fields may be given,
- a mapping without `kind` over a bare name merges into the kind of that name.
"""

from __future__ import annotations

from functools import reduce
from typing import overload

from tempo.spec.yaml.value_tree import Entry, Mapped, Node, Scalar, nested

WHOLE = frozenset({"budget"})
"""Keys whose value is replaced as a whole."""


@overload
def merge(under: Node | None, over: Mapped) -> Mapped: ...
@overload
def merge(under: Node | None, over: Node) -> Node: ...
def merge(under: Node | None, over: Node) -> Node:
    """Return `over` merged over `under`; neither is changed."""
    if under is None or not isinstance(over, Mapped):
        return over
    if isinstance(under, Scalar) and isinstance(under.value, str) and "kind" not in over.entries:
        under = Mapped({"kind": Entry(under.place, under)}, under.place)
    if not isinstance(under, Mapped) or _replaces_whole(under, over):
        return over
    entries = dict(under.entries)
    for key, (place, node) in over.entries.items():
        kept = entries.get(key) if key not in WHOLE else None
        entries[key] = Entry(place, merge(kept.node if kept else None, node))
    return Mapped(entries, over.place)


def _replaces_whole(under: Mapped, over: Mapped) -> bool:
    if isinstance(over.get("preset"), Scalar):
        return True
    new, old = over.get("kind"), under.get("kind")
    if not isinstance(new, Scalar) or not isinstance(old, Scalar):
        return False
    return new.value != old.value


def spread(node: Mapped) -> Mapped:
    """Return a mapping whose keys may be dotted paths as nested mappings."""
    if not any("." in key for key in node.entries):
        return node
    parts = (nested(key.split("."), value, place) for key, (place, value) in node.entries.items())
    return reduce(merge, parts, Mapped({}, node.place))
