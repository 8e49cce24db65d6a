"""Keep the points of a run's curves as packed columns, which are read a column at a time."""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar, overload

from tempo.records.events import Trained, Validated

Point = TypeVar("Point", Trained, Validated)
Points = Sequence[Trained] | Sequence[Validated]
Column = Sequence[Any]

FIELDS: Mapping[type[Any], tuple[str, ...]] = {
    Trained: ("step", "clips", "epoch"),
    Validated: ("step", "clips", "epoch", "seconds"),
}
WHOLE = frozenset({"step", "clips"})
"""Fields of whole numbers; all others are fractions."""

_LENGTH = struct.Struct("<Q")


class PackedPoints(Sequence[Point], Generic[Point]):
    """The points of a curve, each made when it is asked for; `columns` costs no point at all.

    `gaps` are the places where a value is missing, by its name.
    """

    def __init__(
        self,
        kind: type[Point],
        fields: Mapping[str, Column],
        values: Mapping[str, Column],
        gaps: Mapping[str, Sequence[int]],
    ) -> None:
        self._kind: type[Any] = kind
        self._fields, self._values = fields, values
        self._gaps = {name: frozenset(places) for name, places in gaps.items()}

    def __len__(self) -> int:
        return len(self._fields["step"])

    @overload
    def __getitem__(self, place: int) -> Point: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Point]: ...
    def __getitem__(self, place: int | slice) -> Point | Sequence[Point]:
        if isinstance(place, slice):
            return tuple(self[each] for each in range(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        values = {
            name: column[place]
            for name, column in self._values.items()
            if place not in self._gaps.get(name, ())
        }
        fields = {name: column[place] for name, column in self._fields.items()}
        point: Point = self._kind(**fields, values=values)
        return point

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self._fields["step"]))

    def columns(self, name: str, fields: Sequence[str]) -> tuple[Column, ...]:
        """Return `fields` and the value called `name` of the points that have it."""
        if name not in self._values:
            return tuple([] for _ in (*fields, name))
        found = (*(self._fields[field] for field in fields), self._values[name])
        gaps = self._gaps.get(name)
        if not gaps:
            return found
        kept = [place for place in range(len(self)) if place not in gaps]
        return tuple([column[place] for place in kept] for column in found)

    def field(self, name: str) -> Column:
        """Return a field of every point."""
        return self._fields[name]

    def names(self) -> list[str]:
        """Return the names of all values, in the order in which they appear first."""
        return list(self._values)


def columns(points: Points, name: str, fields: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return `fields` and the value called `name` of the points that have it, a column each."""
    if isinstance(points, PackedPoints):
        return points.columns(name, fields)
    chosen = [each for each in points if name in each.values]
    return (
        *([getattr(each, field) for each in chosen] for field in fields),
        [each.values[name] for each in chosen],
    )


def field_of(points: Points, name: str) -> Column:
    """Return a field of every point."""
    if isinstance(points, PackedPoints):
        return points.field(name)
    return [getattr(each, name) for each in points]


def names_of(points: Points) -> list[str]:
    """Return the names of all values of the points, in the order in which they appear first."""
    if isinstance(points, PackedPoints):
        return points.names()
    return list(dict.fromkeys(name for each in points for name in each.values))


def packed(curves: Sequence[tuple[type[Any], Points]], beside: Any) -> bytes:
    """Return curves as bytes, with a value of JSON `beside` them."""
    heads, blocks = [], []
    for kind, points in curves:
        names = names_of(points)
        rows = {name: [each.values.get(name) for each in points] for name in names}
        gaps = {
            name: [place for place, value in enumerate(column) if value is None]
            for name, column in rows.items()
            if None in column
        }
        heads.append([len(points), names, gaps])
        for field in FIELDS[kind]:
            numbers = [getattr(each, field) for each in points]
            blocks.append(array("q" if field in WHOLE else "d", numbers).tobytes())
        blocks += [array("d", filled(rows[name])).tobytes() for name in names]
    head = json.dumps([heads, beside], separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(head)), head, *blocks))


def filled(column: Sequence[float | None]) -> list[float]:
    """Return a column with 0 in its gaps."""
    return [0.0 if value is None else value for value in column]


def unpacked(content: bytes, kinds: Sequence[type[Any]]) -> tuple[list[PackedPoints[Any]], Any]:
    """Return what `packed` wrote of curves of these kinds.

    Raises:
        ValueError, TypeError, struct.error: when it is something else.
    """
    (length,) = _LENGTH.unpack_from(content)
    heads, beside = json.loads(content[_LENGTH.size : _LENGTH.size + length])
    cut = _Cut(memoryview(content)[_LENGTH.size + length :])
    found = []
    for kind, (count, names, gaps) in zip(kinds, heads, strict=True):
        fields = {field: cut("q" if field in WHOLE else "d", count) for field in FIELDS[kind]}
        found.append(PackedPoints(kind, fields, {name: cut("d", count) for name in names}, gaps))
    return found, beside


class _Cut:
    """Cuts one column after the other from packed ones."""

    def __init__(self, content: memoryview) -> None:
        self._left = content

    def __call__(self, kind: Literal["q", "d"], count: int) -> Column:
        column, self._left = self._left[: 8 * count], self._left[8 * count :]
        if len(column) != 8 * count:
            raise ValueError("the columns are cut off")
        return column.cast(kind)
