"""Read the clips of a mixture of splits: in their shares, from the start of each part on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from tempo.core.errors import SpecError
from tempo.core.identity import short_hash
from tempo.core.seeding import stream
from tempo.data.cache.shards import Entry, Shard
from tempo.data.cache.splits import Split, SplitName


@dataclass(frozen=True, slots=True)
class Part:
    """Name one data set of a mixture; its share of an epoch is its weight over all weights.

    It takes part from `start`, a fraction of the budget, on."""

    name: str
    weight: float
    split: Split
    start: float = 0.0


class MixedSplit(Split):
    """Join the clips of several splits, part after part; ids and sources name the part.

    An epoch is as long as all parts together and holds each part in its share, to one clip. A
    part's clips are taken in shuffled rounds of its own, so that each is seen before any is seen
    again, across epochs. Validation and test see every clip once, whatever the weights.

    Where parts start later, epochs are cut there (`within` says how long the training is), and
    each piece holds the parts that have started in their shares.

    Raises:
        SpecError: when the parts show different numbers of input frames.
    """

    def __init__(self, name: SplitName, parts: Sequence[Part], samples: int | None = None) -> None:
        _check_inputs(parts)
        told = [[part.name, part.weight, part.split.digest, *([part.start] if part.start else [])]
                for part in parts]  # fmt: skip
        shards = [shard for part in parts for shard in part.split.shards]
        super().__init__(name, short_hash(told, 16), shards)
        self.parts = tuple(parts)
        self._ends_of_parts = list(accumulate(len(part.split) for part in parts))
        self._starts = [round(part.start * (samples or 0)) for part in parts]

    def within(self, samples: int) -> MixedSplit:
        return MixedSplit(self.name, self.parts, samples)

    def beginning(self) -> Sequence[int]:
        """Return the clips of the parts that do not start later."""
        return [
            index
            for end, part in zip(self._ends_of_parts, self.parts, strict=True)
            if not part.start
            for index in range(end - len(part.split), end)
        ]

    def __len__(self) -> int:
        return self._ends_of_parts[-1]

    def _part(self, index: int) -> tuple[Part, int]:
        number, place = self._within(index, self._ends_of_parts)
        return self.parts[number], place

    def locate(self, index: int) -> tuple[Shard, Entry]:
        part, place = self._part(index)
        return _named(part, *part.split.locate(place))

    def draw(self, index: int, seed: int, epoch: int) -> tuple[Shard, Entry]:
        part, place = self._part(index)
        return _named(part, *part.split.draw(place, seed, epoch))

    def shares(self) -> list[int]:
        """Return how many clips of each part an epoch holds once all have started."""
        return self._shares(len(self), range(len(self.parts)))

    def _shares(self, length: int, active: Collection[int]) -> list[int]:
        """Return how many of `length` clips each part gives, rounded by largest remainders."""
        weights = np.array([part.weight if number in active else 0.0
                            for number, part in enumerate(self.parts)])  # fmt: skip
        exact = weights / weights.sum() * length
        counts = np.floor(exact).astype(int)
        short = length - int(counts.sum())
        counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
        return [int(count) for count in counts]

    def _pieces(self, epoch: int) -> Iterator[list[int]]:
        """Yield, for each stretch of an epoch in which no part starts, the clips of each part."""
        first, last = epoch * len(self), (epoch + 1) * len(self)
        inside = sorted({start for start in self._starts if first < start < last})
        for begin, end in pairwise([first, *inside, last]):
            active = [number for number, start in enumerate(self._starts) if start <= begin]
            yield self._shares(end - begin, active)

    def order(self, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        visits = np.zeros(len(self.parts), np.int64)
        for earlier in range(epoch):
            visits += np.sum(list(self._pieces(earlier)), axis=0)
        random = np.random.default_rng(stream(seed, "order", epoch))
        order = []
        for counts in self._pieces(epoch):
            drawn = [
                end - len(part.split) + _rounds(part, seed, int(begin), count)
                for end, part, begin, count in zip(
                    self._ends_of_parts, self.parts, visits, counts, strict=True
                )
            ]
            visits += counts
            order.append(random.permutation(np.concatenate(drawn)))
        return np.concatenate(order)


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
