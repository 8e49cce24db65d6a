"""Write the formats of others byte by byte, from their descriptions and not by Tempo's readers."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while True:
        low, value = value & 0x7F, value >> 7
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def field(number: int, value: int | float | bytes | str) -> bytes:
    """A field: a whole number as a varint, a float as a double, the rest with its length."""
    if isinstance(value, bool | int):
        return varint(number << 3) + varint(int(value))
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def crc32c(content: bytes) -> int:
    """Bit by bit, where the reader goes by a table."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def masked(content: bytes) -> bytes:
    value = crc32c(content)
    rotated = (value >> 15 | value << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def frame(content: bytes) -> bytes:
    """A TFRecord frame."""
    size = struct.pack("<Q", len(content))
    return size + masked(size) + content + masked(content)


def scalar(tag: str, step: int, value: float, time: float = 1000.0) -> bytes:
    """An Event with one simple value."""
    simple = varint(2 << 3 | 5) + struct.pack("<f", value)
    summary = field(1, field(1, tag) + simple)
    return frame(field(1, time) + field(2, step) + field(5, summary))


def tensor(tag: str, step: int, value: float) -> bytes:
    """An Event whose value is a TensorProto of one float, as newer writers have it."""
    content = field(1, 1) + field(4, struct.pack("<f", value))
    return frame(field(1, 1000.0) + field(2, step) + field(5, field(1, field(1, tag) + field(8, content))))  # fmt: skip # noqa: E501


def log_records(contents: list[bytes]) -> bytes:
    """A file of W&B: the header, then LevelDB's log format with CRC-32."""
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0))
    for content in contents:
        first, rest = True, content
        while True:
            left = 32768 - len(out) % 32768
            if left < 7:
                out += bytes(left)
                continue
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = (1 if first else 4) if not rest else (2 if first else 3)
            check = zlib.crc32(bytes([kind]) + part)
            out += struct.pack("<IHB", check, len(part), kind) + part
            first = False
            if not rest:
                break
    return bytes(out)


def items(values: dict[str, Any], number: int = 1) -> bytes:
    return b"".join(
        field(number, field(1, key) + field(16, json.dumps(value))) for key, value in values.items()
    )
