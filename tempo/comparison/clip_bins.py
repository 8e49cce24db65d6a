"""Split clips by a property of theirs: by each value, or into bins of about equally many."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tempo.comparison.statistics.seed_source_matrix import Array, Mask

BINS = 4
"""Bins of a property that changes continuously, such as motion."""

MIN_CLIPS = 4
"""A bin of fewer clips says nothing."""

TIMES = "target_time"
"""The property of which each value is a bin of its own."""

Bin = tuple[float, float, Mask]
"""Lower and upper bound, and which clips lie between them."""


def bins(name: str, values: Array, least: int = MIN_CLIPS) -> list[Bin]:
    """Return the bins of a property, lowest first; none where all clips are alike.

    The time of the target has a bin a value, with `least` clips or more.
    """
    known = values[np.isfinite(values)]
    if not len(known) or np.ptp(known) == 0:
        return []
    return _each(values, least) if name == TIMES else _quarters(values)


def _each(values: Array, least: int) -> list[Bin]:
    """Return a bin a value."""
    found, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    return [
        (float(value), float(value), values == value)
        for value, count in zip(found, counts, strict=True)
        if count >= least
    ]


def _quarters(values: Array) -> list[Bin]:
    """Return up to `BINS` equally full bins, fewer where values are equal."""
    known = values[np.isfinite(values)]
    if len(known) < 2 * MIN_CLIPS:
        return []
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    found: list[Bin] = []
    for place, (low, high) in enumerate(pairwise(edges)):
        last = place == len(edges) - 2
        inside = (values >= low) & ((values <= high) if last else (values < high))
        if inside.sum() >= MIN_CLIPS:
            found.append((float(low), float(high), inside))
    return found
