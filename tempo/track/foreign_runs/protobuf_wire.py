"""Read messages of protocol buffers by field number, without their definitions.

Enough for the few fields that event files of others hold; see
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10

Field = tuple[int, int, int | bytes]
"""A field's number, its wire type, and its value: a whole number, or the bytes of the others."""


def fields(content: bytes) -> Iterator[Field]:
    """Yield the fields of a message in their order.

    Raises:
        ValueError: when the bytes are no message.
    """
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, wire = key >> 3, key & 7
        if not number:
            raise ValueError("a field has the number 0")
        if wire == VARINT:
            value, place = _varint(content, place)
            yield number, wire, value
            continue
        if wire == BYTES:
            size, place = _varint(content, place)
        elif wire in {FIXED64, FIXED32}:
            size = 8 if wire == FIXED64 else 4
        else:
            raise ValueError(f"a field has the wire type {wire}")
        if place + size > len(content):
            raise ValueError("a field is cut off")
        yield number, wire, content[place : place + size]
        place += size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = 0
    for count in range(LONGEST_VARINT):
        if place >= len(content):
            raise ValueError("a number is cut off")
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place
    raise ValueError("a number is longer than 64 bits")


class Message:
    """The fields of a message, looked up by number; of a repeated one `all` of them."""

    def __init__(self, content: bytes) -> None:
        self._fields: dict[int, list[tuple[int, int | bytes]]] = {}
        for number, wire, value in fields(content):
            self._fields.setdefault(number, []).append((wire, value))

    def has(self, number: int) -> bool:
        return number in self._fields

    def all(self, number: int) -> list[Message]:
        """The messages of a field."""
        return [Message(value) for value in self.all_bytes(number)]

    def all_bytes(self, number: int) -> list[bytes]:
        found = self._fields.get(number, [])
        return [value for _, value in found if isinstance(value, bytes)]

    def message(self, number: int) -> Message:
        """The message of a field; an empty one where there is none."""
        found = self.all_bytes(number)
        return Message(found[-1]) if found else Message(b"")

    def text(self, number: int) -> str:
        found = self.all_bytes(number)
        return found[-1].decode("utf-8", "replace") if found else ""

    def whole(self, number: int) -> int:
        """A whole number, with the sign of 64 bits; 0 where there is none."""
        found = [value for _, value in self._fields.get(number, []) if isinstance(value, int)]
        value = found[-1] if found else 0
        return value - 2**64 if value >= 2**63 else value

    def real(self, number: int) -> float | None:
        """A number of 32 or 64 bits; None where there is none."""
        for wire, value in reversed(self._fields.get(number, [])):
            if isinstance(value, bytes) and wire in {FIXED32, FIXED64}:
                (number_read,) = struct.unpack("<f" if wire == FIXED32 else "<d", value)
                return float(number_read)
        return None

    def reals(self, number: int, code: str) -> list[float]:
        """Repeated numbers, packed or not; `code`: `f` or `d`."""
        size = struct.calcsize(code)
        found: list[float] = []
        for wire, value in self._fields.get(number, []):
            if isinstance(value, bytes) and (wire == BYTES or len(value) == size):
                count = len(value) // size
                found += struct.unpack(f"<{count}{code}", value[: count * size])
        return found
