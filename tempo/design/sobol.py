"""The Sobol sequence (Sobol 1967) with the direction numbers of Joe and Kuo (2008)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

BITS = 30

_POLYNOMIALS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (1, 0, (1,)),
    (2, 1, (1, 3)),
    (3, 1, (1, 3, 1)),
    (3, 2, (1, 1, 1)),
    (4, 1, (1, 1, 3, 3)),
    (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)),
    (5, 4, (1, 1, 5, 5, 5)),
    (5, 7, (1, 1, 7, 11, 19)),
    (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)),
    (5, 14, (1, 3, 5, 5, 31)),
    (6, 1, (1, 3, 3, 9, 7, 49)),
    (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)),
)
"""Degree, coefficients and initial direction numbers of dimensions 2, 3, ..."""

DIMENSIONS = len(_POLYNOMIALS) + 1
"""The most dimensions there are numbers for."""


def _directions(dimension: int) -> list[int]:
    if dimension == 0:
        return [1 << (BITS - 1 - bit) for bit in range(BITS)]
    degree, coefficients, initial = _POLYNOMIALS[dimension - 1]
    numbers = [number << (BITS - 1 - bit) for bit, number in enumerate(initial)]
    for bit in range(degree, BITS):
        number = numbers[bit - degree] ^ (numbers[bit - degree] >> degree)
        for step in range(1, degree):
            if coefficients >> (degree - 1 - step) & 1:
                number ^= numbers[bit - step]
        numbers.append(number)
    return numbers


def points(count: int, shifts: Sequence[int]) -> Iterator[tuple[float, ...]]:
    """The first `count` points in [0, 1)^d, d = len(shifts).

    Args:
        count: At most 2**30.
        shifts: One whole number a dimension, whose low 30 bits are XORed onto its coordinates (a
            digital shift, which keeps the sequence's balance). Zeros give the plain sequence.

    Raises:
        ValueError: for more than `DIMENSIONS` dimensions.
    """
    if len(shifts) > DIMENSIONS:
        raise ValueError(f"a Sobol design has at most {DIMENSIONS} factors, not {len(shifts)}")
    directions = [_directions(dimension) for dimension in range(len(shifts))]
    at = [shift % (1 << BITS) for shift in shifts]
    for index in range(count):
        yield tuple(value / (1 << BITS) for value in at)
        bit = (~index & (index + 1)).bit_length() - 1
        at = [value ^ each[bit] for value, each in zip(at, directions, strict=True)]
