"""Compute CRC-32C, with which event files of TensorBoard are checked."""

from __future__ import annotations

from functools import cache

POLYNOMIAL = 0x82F63B78
MASK = 0xA282EAD8


@cache
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


def crc32c(content: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes."""
    table, value = _table(), 0xFFFFFFFF
    for byte in content:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def masked_crc32c(content: bytes) -> int:
    """Return the checksum as TFRecord files hold it."""
    value = crc32c(content)
    return ((value >> 15 | value << 17) + MASK) & 0xFFFFFFFF
