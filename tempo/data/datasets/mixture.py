"""Mix several data sets into one split, in fixed proportions an epoch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from tempo.core.errors import SpecError
from tempo.core.identity import short_hash
from tempo.core.seeding import stream
from tempo.data.cache.shards import Entry, Shard
from tempo.data.cache.splits import Split, SplitName


@dataclass(frozen=True, slots=True)
class Part:
    """Name one data set of a mixture; its share of an epoch is its weight over all weights."""

    name: str
    weight: float
    split: Split


class MixedSplit(Split):
    """Join the clips of several splits, part after part; ids and sources name the part.

    An epoch is as long as all parts together and holds each part in its share, to one clip. A
    part's clips are taken in shuffled rounds of its own, so that each is seen before any is seen
    again, across epochs. Validation and test see every clip once, whatever the weights.

    Raises:
        SpecError: when the parts show different numbers of input frames.
    """

    def __init__(self, name: SplitName, parts: Sequence[Part]) -> None:
        _check_inputs(parts)
        told = [[part.name, part.weight, part.split.digest] for part in parts]
        shards = [shard for part in parts for shard in part.split.shards]
        super().__init__(name, short_hash(told, 16), shards)
        self.parts = tuple(parts)
        self._ends_of_parts = list(accumulate(len(part.split) for part in parts))

    def __len__(self) -> int:
        return self._ends_of_parts[-1]

    def _part(self, index: int) -> tuple[Part, int]:
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"the {self.name} split has {len(self)} clips, no clip {index}")
        number = bisect_right(self._ends_of_parts, place)
        part = self.parts[number]
        return part, place - self._ends_of_parts[number] + len(part.split)

    def locate(self, index: int) -> tuple[Shard, Entry]:
        part, place = self._part(index)
        return _named(part, *part.split.locate(place))

    def draw(self, index: int, seed: int, epoch: int) -> tuple[Shard, Entry]:
        part, place = self._part(index)
        return _named(part, *part.split.draw(place, seed, epoch))

    def shares(self) -> list[int]:
        """Return how many clips of each part an epoch holds, rounded by largest remainders."""
        weights = np.array([part.weight for part in self.parts])
        exact = weights / weights.sum() * len(self)
        counts = np.floor(exact).astype(int)
        short = len(self) - int(counts.sum())
        counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
        return [int(count) for count in counts]

    def order(self, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        firsts = [end - len(part.split)
                  for end, part in zip(self._ends_of_parts, self.parts, strict=True)]  # fmt: skip
        drawn = [
            first + _rounds(part, seed, epoch * count, count)
            for first, part, count in zip(firsts, self.parts, self.shares(), strict=True)
        ]
        random = np.random.default_rng(stream(seed, "order", epoch))
        return random.permutation(np.concatenate(drawn))


def _rounds(part: Part, seed: int, begin: int, count: int) -> npt.NDArray[np.int64]:
    """Return `count` clips of a part from its visit number `begin` on, in shuffled rounds."""
    length = len(part.split)
    taken: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
    while count:
        turn, place = divmod(begin, length)
        random = np.random.default_rng(stream(seed, "order", part.name, turn))
        some = random.permutation(length)[place : place + count]
        taken.append(some)
        begin, count = begin + len(some), count - len(some)
    return np.concatenate(taken)


def _named(part: Part, shard: Shard, entry: Entry) -> tuple[Shard, Entry]:
    name, source = f"{part.name}/{entry.id}", f"{part.name}/{entry.source}"
    return shard, replace(entry, id=name, source=source)


def _check_inputs(parts: Sequence[Part]) -> None:
    shown = {part.name: len(part.split.locate(0)[1].inputs) for part in parts}
    if len(set(shown.values())) > 1:
        told = ", ".join(f"{name} shows {count}" for name, count in shown.items())
        raise SpecError(
            f"the parts of a mixture show the same number of frames, so that they fit into one "
            f"batch: {told}"
        )
