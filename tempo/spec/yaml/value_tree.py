"""Represent and merge specs as trees of values with the places where they were written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import is_
from typing import Any, NamedTuple, overload

from tempo.core.errors import Place

WHOLE = frozenset({"budget"})
"""Keys whose value `merge` replaces as a whole."""

Plain = None | bool | int | float | str
"""What a scalar can be."""

Path = tuple[str | int, ...]
"""Keys and indexes from the root of a tree to a node."""


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One value. `text` is how it was written, `quoted` whether in quotes or as a block."""

    value: Plain
    place: Place
    text: str = ""
    quoted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    items: tuple[Node, ...]
    place: Place


class Entry(NamedTuple):
    """A mapping's value and the place of its key."""

    key: Place
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """A mapping in the order it was written."""

    entries: Mapping[str, Entry]
    place: Place

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry.node if entry else None

    def with_entry(self, key: str, entry: Entry) -> Mapped:
        return Mapped({**self.entries, key: entry}, self.place)

    def without(self, *keys: str) -> Mapped:
        left = {key: entry for key, entry in self.entries.items() if key not in keys}
        return Mapped(left, self.place)


Node = Scalar | Listing | Mapped


def plain(node: Node) -> Any:
    """Return the node's value as dicts, lists and scalars."""
    if isinstance(node, Mapped):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, Listing):
        return [plain(item) for item in node.items]
    return node.value


def written(value: Any, place: Place) -> Node:
    """Return a tree of a plain value, all of it at one place."""
    if isinstance(value, Mapping):
        entries = {str(key): Entry(place, written(each, place)) for key, each in value.items()}
        return Mapped(entries, place)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Listing(tuple(written(each, place) for each in value), place)
    return Scalar(value, place, text=str(value))


def nested(keys: Sequence[str], node: Node, place: Place) -> Mapped:
    """Return `node` under a chain of mappings, at least one, each key at `place`."""
    for key in reversed(keys):
        node = Mapped({key: Entry(place, node)}, place)
    assert isinstance(node, Mapped)
    return node


def change(path: str, value: Any, place: Place) -> Mapped:
    """Return the tree that sets a dotted path to a plain value, all of it at one place."""
    return nested(path.split("."), written(value, place), place)


def rebuilt(node: Listing | Mapped, change: Callable[[str | int, Node], Node]) -> Node:
    """Return a collection whose parts are `change(key or index, part)`; itself if all are kept."""
    if isinstance(node, Listing):
        items = tuple(change(index, item) for index, item in enumerate(node.items))
        return node if all(map(is_, items, node.items)) else Listing(items, node.place)
    entries = {key: Entry(place, change(key, each)) for key, (place, each) in node.entries.items()}
    same = all(entries[key].node is each.node for key, each in node.entries.items())
    return node if same else Mapped(entries, node.place)


@overload
def merge(under: Node | None, over: Mapped) -> Mapped: ...
@overload
def merge(under: Node | None, over: Node) -> Node: ...
def merge(under: Node | None, over: Node) -> Node:
    """Return `over` merged over `under`; neither is changed.

    Mappings merge key by key and everything else replaces, but for four rules:

    - a mapping that brings another `kind` than the inherited one replaces it whole,
    - so does one that brings `preset`, which means: start afresh from that preset,
    - so does a `budget`, because exactly one of its fields may be given,
    - a mapping without `kind` over a bare name merges into the kind of that name.
    """
    if under is None or not isinstance(over, Mapped):
        return over
    if isinstance(under, Scalar) and isinstance(under.value, str) and "kind" not in over.entries:
        under = Mapped({"kind": Entry(under.place, under)}, under.place)
    if not isinstance(under, Mapped) or _replaces_whole(under, over):
        return over
    entries = dict(under.entries)
    for key, (place, node) in over.entries.items():
        kept = entries.get(key) if key not in WHOLE else None
        below = kept.node if kept else None
        new = merge_network(below, node) if key == NETWORK else merge(below, node)
        entries[key] = Entry(place, new)
    return Mapped(entries, over.place)


NETWORK = "arch"
"""The section in which a mapping without `kind` is a TEMPO network."""


def merge_network(under: Node | None, over: Node) -> Node:
    """Merge two `arch` sections: fields of TEMPO never mix with those of another network."""
    if isinstance(under, Mapped) and isinstance(over, Mapped) and "kind" not in under.entries:
        kind = over.get("kind")
        if isinstance(kind, Scalar) and kind.value != "tempo":
            return over
    return merge(under, over)


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


def child(node: Node, part: str | int) -> tuple[Place, Node] | None:
    """Return the place of a key (or of an item) and the node there; None if there is none."""
    if isinstance(node, Mapped) and isinstance(part, str):
        return node.entries.get(part)
    if isinstance(node, Listing) and isinstance(part, int) and 0 <= part < len(node.items):
        return node.items[part].place, node.items[part]
    return None


def find(node: Node, *path: str | int) -> Node | None:
    """Return the node at `path`, or None."""
    at: Node = node
    for part in path:
        step = child(at, part)
        if step is None:
            return None
        at = step[1]
    return at


def dotted(path: Sequence[str | int]) -> str:
    """Return a path in dotted form: `design.0.factors`."""
    return ".".join(str(part) for part in path)


def shown(value: Any, limit: int = 60) -> str:
    """Return a value as an error message quotes it: in YAML's words, cut when long."""
    if isinstance(value, Mapping):
        text = f"a mapping ({', '.join(map(str, value)) or 'empty'})"
    else:
        text = in_yaml(value, quoted=True)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def in_yaml(value: Any, *, quoted: bool = False) -> str:
    """Return a plain value on one line as YAML writes it, text in quotes only where asked for."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inside = (f"{key}: {in_yaml(each, quoted=quoted)}" for key, each in value.items())
        return f"{{{', '.join(inside)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(in_yaml(each, quoted=quoted) for each in value)}]"
    return repr(value) if quoted or not isinstance(value, str) else value
