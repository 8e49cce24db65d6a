"""Decide how many runs share a GPU: as many as the spec says, or as fit by measured memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from tempo.records.prices import Price

Slot = Mapping[str, str]

CONTEXT_BYTES = 600 * 2**20
"""What CUDA itself takes for each process, which no process counts as its own."""

SPARE = 0.1
"""Share of a GPU's memory that stays free."""

MOST = 8
"""Runs on one GPU at most: beyond that they only wait for each other."""


def share_gpus(slots: Sequence[Slot], runs: int) -> list[Slot]:
    """Return `runs` slots for each GPU, ordered so that every GPU gets a run before a second."""
    gpus = all("CUDA_VISIBLE_DEVICES" in slot for slot in slots)
    return [slot for _ in range(runs if gpus else 1) for slot in slots]


def runs_that_fit(
    asked: int | Literal["auto"], prices: Iterable[Price | None], memory: float | None
) -> int:
    """Return how many runs share a GPU of `memory` bytes: with `auto` as many as the largest peak
    memory allows, and one while the memory of a run or of the GPU is not known."""
    if asked != "auto":
        return asked
    known = list(prices)
    peaks = [price.peak_memory for price in known if price is not None and price.peak_memory]
    if memory is None or not peaks or len(peaks) < len(known):
        return 1
    room = memory * (1 - SPARE) / (max(peaks) + CONTEXT_BYTES)
    return max(1, min(MOST, int(room)))
