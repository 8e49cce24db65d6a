"""Clips cut from cached sequences when they are asked for: any start, any distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tempo.core.seeding import stream
from tempo.data.cache.shards import Entry, Shard
from tempo.data.cache.splits import Split, SplitName, Window


class WindowedSplit(Split):
    """A split whose entries are sequences; `targets` of an entry are all its pictures in order.

    One cache serves every spacing. `locate` gives the central window with its middle target;
    `draw` starts at random, from the stream (seed, "start", epoch, index).
    """

    def __init__(
        self, name: SplitName, digest: str, shards: Sequence[Shard], window: Window
    ) -> None:
        super().__init__(name, digest, shards)
        self.window = window

    def locate(self, index: int) -> tuple[Shard, Entry]:
        shard, whole = super().locate(index)
        start = (len(whole.targets) - 1 - self.window.spacing) // 2
        return shard, cut(whole, start, self.window.spacing, any_time=False)

    def draw(self, index: int, seed: int, epoch: int) -> tuple[Shard, Entry]:
        shard, whole = super().locate(index)
        random = np.random.default_rng(stream(seed, "start", epoch, index))
        start = int(random.integers(len(whole.targets) - self.window.spacing))
        return shard, cut(whole, start, self.window.spacing, any_time=self.window.any_time)


def cut(whole: Entry, start: int, spacing: int, *, any_time: bool) -> Entry:
    """The clip whose anchors are the pictures `start` and `start + spacing` of a sequence.

    Its targets are all pictures between, or the one at the middle (before it, if there is none).
    """
    inside = range(1, spacing) if any_time else (spacing // 2,)
    return replace(
        whole,
        id=f"{whole.id}@{start:03d}",
        inputs=(whole.targets[start], whole.targets[start + spacing]),
        times=(0.0, 1.0),
        targets=tuple(whole.targets[start + step] for step in inside),
        target_times=tuple(step / spacing for step in inside),
    )
