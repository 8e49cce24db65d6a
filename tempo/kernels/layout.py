"""Divide channels-last pictures among the programs of a kernel."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

TILE = 4096
"""Values that a program holds at once."""

PROGRAMS = 2048
"""Programs that are started where there is work for as many: several for each multiprocessor."""

MOST_CHUNKS = 128
"""Programs a picture and block of channels at most: what they found is joined by one."""


class Tiles(NamedTuple):
    """Divide [B, C, H, W] into programs of `loops` tiles of `pixels` times `channels` values."""

    batch: int
    width: int
    """Channels."""
    size: int
    """Pixels of a picture."""
    pixels: int
    channels: int
    chunks: int
    """Programs a picture and block of channels."""
    loops: int

    @property
    def grid(self) -> tuple[int, int, int]:
        return self.chunks, divide_upwards(self.width, self.channels), self.batch


def divide_upwards(a: int, b: int) -> int:
    """Divide upwards."""
    return -(-a // b)


def power_of_two(least: int) -> int:
    """Return the smallest power of two that is at least `least`."""
    return 1 << max(0, least - 1).bit_length()


def tiles_of(batch: int, channels: int, size: int) -> Tiles:
    """Return the division for pictures of `size` pixels.

    A block of channels divides them where that is possible in blocks of 32 and more, so that
    widths such as 96 and 160 leave no lane idle.
    """
    whole = min(power_of_two(channels), 128)
    block = next((each for each in (128, 64, 32) if channels % each == 0), whole)
    pixels = max(1, TILE // block)
    pixels = min(pixels, power_of_two(size))
    tiles = divide_upwards(size, pixels)
    blocks = divide_upwards(channels, block)
    chunks = min(tiles, MOST_CHUNKS, max(1, PROGRAMS // max(1, batch * blocks)))
    loops = divide_upwards(tiles, chunks)
    return Tiles(batch, channels, size, pixels, block, divide_upwards(tiles, loops), loops)


class Row(NamedTuple):
    """Divide `size` values in a row into `chunks` programs of `loops` times `values`."""

    size: int
    values: int
    chunks: int
    loops: int


def row_of(size: int) -> Row:
    """Return the division of a sample of `size` values."""
    values = min(TILE, power_of_two(size))
    tiles = max(1, divide_upwards(size, values))
    loops = divide_upwards(tiles, min(tiles, MOST_CHUNKS))
    return Row(size, values, divide_upwards(tiles, loops), loops)


def fixed_for(tiles: Tiles, kind: torch.dtype) -> dict[str, Any]:
    """Return what programs over `tiles` of values of `kind` are compiled for."""
    return {
        "C": tiles.width,
        "LOOPS": tiles.loops,
        "PIXELS": tiles.pixels,
        "CHANNELS": tiles.channels,
        "WIDE": triton_type(wide_type(kind)),
    }


def channels_last(x: Tensor) -> Tensor:
    """Return `x` [B, C, H, W] with its channels innermost in memory, copied only if they are not.

    Axes of length 1 may have any stride, so that torch calls some layouts by both names; the
    values lie in the same order then.
    """
    return x.contiguous(memory_format=torch.channels_last)


def empty_like_last(x: Tensor) -> Tensor:
    """Return an uninitialised tensor of the shape and type of `x`, channels innermost."""
    return torch.empty_like(x, memory_format=torch.channels_last)


def wide_type(kind: torch.dtype) -> torch.dtype:
    """Return the type in which values of `kind` are computed: float32 or wider."""
    return torch.promote_types(kind, torch.float32)


def triton_type(kind: torch.dtype) -> Any:
    """Return Triton's name of a wide type."""
    import triton.language as tl

    return tl.float64 if kind is torch.float64 else tl.float32
