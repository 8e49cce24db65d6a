"""Merge one part of a spec over another.

Mappings merge key by key and everything else replaces, but for four rules:

- a mapping that brings another `kind` than the inherited one replaces it whole,
- so does one that brings `preset`, which means: start afresh from that preset,
- so does a `budget`, because exactly one of its fields may be given,
- a mapping without `kind` over a bare name merges into the kind of that name.
"""

from __future__ import annotations

from collections.abc import Callable

from tempo.core.errors import Place, SpecError
from tempo.spec.yaml.value_tree import Entry, Mapped, Node, Scalar, nested, shown

WHOLE = frozenset({"budget"})
"""Keys whose value is replaced as a whole."""


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
        kept = entries.get(key)
        whole = kept is None or key in WHOLE
        entries[key] = Entry(place, node if whole or kept is None else merge(kept.node, node))
    return Mapped(entries, over.place)


def _replaces_whole(under: Mapped, over: Mapped) -> bool:
    if isinstance(over.get("preset"), Scalar):
        return True
    new, old = over.get("kind"), under.get("kind")
    if not isinstance(new, Scalar) or not isinstance(old, Scalar):
        return False
    return new.value != old.value


def spread(node: Node, merged: Callable[[Node | None, Node], Node] = merge) -> Node:
    """Return a mapping whose keys may be dotted paths as nested mappings."""
    if not isinstance(node, Mapped) or not any("." in key for key in node.entries):
        return node
    out: Node = Mapped({}, node.place)
    for key, (place, value) in node.entries.items():
        out = merged(out, nested(key.split("."), value, place))
    return out


def put(tree: Node, path: str, value: Node, place: Place) -> Node:
    """Return `tree` with `value` merged over it at a dotted `path`.

    Raises:
        SpecError: when the path has an empty part or steps into a list.
    """
    keys = path.split(".")
    if not all(keys):
        raise SpecError(f"{shown(path)} is not a path: keys joined by single dots", place)
    return merge(tree, nested(keys, value, place))
