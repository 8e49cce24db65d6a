"""Warn where the sources of the clips are too few, too unequal or too skewed for an interval.

Intervals of a mean rest on normal source means. Heavy tails do not hurt them; skewness does, as its
square over the number of sources: over gamma and log-normal draws of 8 to 200 sources a 95 %
interval covered about 0.95 - 0.45 skewness^2 / sources (measured: 90.5 % where that says 91.2,
84 to 87 where it says 88.2). What seeds add to the noise is symmetric and makes the mean less
skewed.
"""

from __future__ import annotations

import numpy as np

from tempo.comparison.statistics.random_effects import Combination
from tempo.comparison.statistics.seed_source_matrix import Array, SeedSourceMatrix

FEW_SOURCES = 5
"""Effective sources below which intervals rest on too little."""

LARGEST_SHARE = 0.5
"""The share of the clips above which one source decides the result."""

NORMAL_SKEWNESS = 1.25
"""95 % of normal samples of any number of sources are less skewed than this."""

LOST_COVERAGE = 0.45
"""Coverage lost per squared skewness of the mean (see the module)."""

LOWEST_COVERAGE = 0.93
"""The coverage below which it is said."""


def skewness(values: Array) -> float:
    """Return the sample skewness of `values`: the third moment over the second to the power 3/2."""
    centred = values - values.mean()
    variance = float((centred**2).mean())
    if variance <= 1e-24 * float((values**2).mean()):
        return 0.0
    return float((centred**3).mean() / variance**1.5)


def skewed_sources(matrix: SeedSourceMatrix, combination: Combination, name: str) -> str | None:
    """Return the sentence that a contrast's sources are too skewed for its interval, or None.

    `name`: the variant whose contrast it is. False alarms are at most 5 % where source means are
    normal; with 12 sources of exponential shape, whose intervals cover 90 %, many go unnoticed: so
    few sources do not show their shape.
    """
    if combination.paired is None or not matrix.samples_clips:
        return None
    found = skewness(combination.paired.mean(axis=0) / matrix.weights)
    parts = combination.parts
    clips = max(parts.source - parts.both, 0.0)
    share = clips / parts.variance if parts.variance > 0 else 0.0
    expected = 0.95 - LOST_COVERAGE * found**2 * share**3 / matrix.effective_sources
    if abs(found) < NORMAL_SKEWNESS or expected >= LOWEST_COVERAGE:
        return None
    return (
        f"The differences of {matrix.sources} sources are skewed ({found:+.1f}): the 95 % interval "
        f"of {name} may cover about {max(expected, 0.5):.0%} instead of 95 %."
    )


def few_sources(matrix: SeedSourceMatrix) -> str | None:
    """Return the sentence that the clips come from too few or too unequal sources, or None."""
    if not matrix.samples_clips:
        return None
    largest, effective = float(np.max(matrix.weights)), matrix.effective_sources
    if largest > LARGEST_SHARE + 1e-9:
        return (
            f"One of {matrix.sources} sources holds {largest:.0%} of the {matrix.clips} clips: "
            "what is found is mostly about that source, and intervals are wide or uncertain."
        )
    if effective < FEW_SOURCES - 1e-9:
        said = f"{matrix.sources} sources"
        if matrix.sources - effective > 0.05:
            said += f" of unequal size, which count as {effective:.1f}"
        return (
            f"The {matrix.clips} clips come from {said}: so few hardly show how sources differ, "
            "and intervals are wide."
        )
    return None
