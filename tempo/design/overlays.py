"""What levels and variants change, in an order that does not depend on how they were listed.

A preset starts its section afresh and a slot's `kind` drops the options of another kind. So what
lies higher in the tree is applied first: presets, then shallow paths, then deep ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tempo.core.place import Place
from tempo.spec.batch import short_form
from tempo.spec.yaml.overlay import merge, spread
from tempo.spec.yaml.value_tree import Entry, Mapped, Node, nested

LAST = 1_000
"""Depth of what overrides all levels: a named variant's own `set`."""


class Piece(NamedTuple):
    """One change. Pieces of less depth are applied first."""

    depth: int
    node: Mapped


def piece(path: str, value: Node, place: Place) -> tuple[Piece, ...]:
    """`value` at a dotted path; a preset that it brings becomes a piece of its own."""
    node = nested(path.split("."), value, place)
    assert isinstance(node, Mapped)
    node = short_form(node)
    preset, rest = _split(node)
    depth = path.count(".") + 1
    return (*preset, *((Piece(depth, rest),) if rest.entries else ()))


def pieces(node: Mapped) -> tuple[Piece, ...]:
    """The changes of a mapping from dotted paths to values."""
    return tuple(
        each for path, (place, value) in node.entries.items() for each in piece(path, value, place)
    )


def own(node: Mapped) -> tuple[Piece, ...]:
    """The changes of a variant's `set`, which win over those of its levels."""
    whole = spread(node, merge)
    assert isinstance(whole, Mapped)
    preset, rest = _split(short_form(whole))
    return (*preset, Piece(LAST, rest))


def _split(node: Mapped) -> tuple[tuple[Piece, ...], Mapped]:
    """A change without its architecture preset, and that preset."""
    arch = node.entries.get("arch")
    if arch is None or not isinstance(arch.node, Mapped) or "preset" not in arch.node.entries:
        return (), node
    name = Mapped({"preset": arch.node.entries["preset"]}, arch.node.place)
    preset = Piece(0, Mapped({"arch": Entry(arch.key, name)}, node.place))
    rest = arch.node.without("preset")
    if not rest.entries:
        return (preset,), node.without("arch")
    return (preset,), node.with_entry("arch", Entry(arch.key, rest))


def ordered(changes: Iterable[Piece]) -> tuple[Mapped, ...]:
    """The overlays in the order to apply them."""
    return tuple(each.node for each in sorted(changes, key=lambda each: each.depth))
