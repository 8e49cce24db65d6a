"""The width of a network whose cost equals a wanted one."""

from __future__ import annotations

from collections.abc import Callable

from tempo.design.measurements import Width

NARROWEST, WIDEST = 4, 512
"""Bounds of `arch.base_channels`."""


def nearest_width(cost: Callable[[int], float], wanted: float) -> Width:
    """The width whose cost is nearest to `wanted`, by bisection; `cost` rises with the width.

    It is asked for about nine widths, each once.
    """
    known: dict[int, float] = {}

    def at(width: int) -> float:
        if width not in known:
            known[width] = cost(width)
        return known[width]

    low, high = NARROWEST, WIDEST
    if at(low) >= wanted:
        high = low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at(middle) < wanted else (low, middle)
    best = min((low, high), key=lambda width: abs(at(width) - wanted))
    return Width(base_channels=best, cost=at(best), wanted=wanted)
