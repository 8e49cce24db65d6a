"""A split of a data set: planned without reading a picture, built once, read many times."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

from tempo.core.identity import short_hash
from tempo.data.clips import Clip, Pixels
from tempo.data.shards import Entry, Shard, ShardWriter

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """A shard to be: `name` stands for its content, `fill` writes it, `clips` is a guess."""

    name: str
    size: tuple[int, int]
    clips: int
    fill: Callable[[ShardWriter], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """What a split consists of. `digest` is the hash of everything that decides its pixels."""

    name: SplitName
    digest: str
    shards: tuple[ShardPlan, ...]


class Split:
    """The clips of one split, read from its shards.

    `digest` says what the split is: the same digest means the same clips, on any machine.
    `counts` adds up what the shards counted while they were built (triplets kept and skipped).
    """

    def __init__(self, name: SplitName, digest: str, shards: Sequence[Shard]) -> None:
        self.name: SplitName = name
        self.digest = digest
        self.shards = tuple(shards)
        self._ends = list(accumulate(len(shard.entries) for shard in self.shards))
        self.counts: Counter[str] = Counter()
        for shard in self.shards:
            self.counts.update(shard.counts)
        self.notes = tuple(note for shard in self.shards for note in shard.notes)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Clip]:
        return (self[index] for index in range(len(self)))

    def locate(self, index: int) -> tuple[Shard, Entry]:
        """The shard and the entry of clip `index`.

        Raises:
            IndexError: outside 0 to len - 1 (negative positions count from the end).
        """
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"the {self.name} split has {len(self)} clips, no clip {index}")
        number = bisect_right(self._ends, place)
        shard = self.shards[number]
        return shard, shard.entries[place - self._ends[number] + len(shard.entries)]

    def __getitem__(self, index: int) -> Clip:
        """Clip `index`, with the first of its targets."""
        shard, entry = self.locate(index)
        pixels: Pixels = shard.pixels
        return Clip(
            id=entry.id,
            source=entry.source,
            frames=pixels[list(entry.inputs)],
            times=entry.times,
            target=pixels[entry.targets[0]].copy(),
            target_time=entry.target_times[0],
            motion=entry.motion,
            occlusion=entry.occlusion,
        )


def open_shards(plan: SplitPlan, folder: Path) -> Split:
    """The split described by `plan`, whose shards lie in `folder`.

    Clips that could not be read change its digest: a split with holes is another split.
    """
    shards = [Shard(folder / shard.name) for shard in plan.shards]
    skipped = [clip for shard in shards for clip in shard.skipped]
    digest = short_hash([plan.digest, skipped], len(plan.digest)) if skipped else plan.digest
    return Split(plan.name, digest, shards)
