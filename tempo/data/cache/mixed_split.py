"""Read the clips of a mixture of splits, in shares that may change over a training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from tempo.core.budget_course import END, Course, Moment, Ramp
from tempo.core.errors import SpecError
from tempo.core.identity import short_hash
from tempo.core.seeding import stream
from tempo.data.cache.shards import Entry, Shard
from tempo.data.cache.splits import Split, SplitName

CHANGES = 100
"""Pieces of a stage in which shares that follow a schedule are constant."""


@dataclass(frozen=True, slots=True)
class Part:
    """Name one data set of a mixture; its share of an epoch is its weight over all weights.

    It takes part from `start`, a fraction of the budget, on; from there its weight goes in a line
    to `final` at the end of the budget, if there is one.
    """

    name: str
    weight: float
    split: Split
    start: float = 0.0
    final: float | None = None

    @property
    def ramp(self) -> Ramp:
        """The weight over the budget."""
        return Ramp(self.weight, self.final, self.start)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Samples `first` to `last` of a training, in which each part has one weight."""

    first: int
    last: int
    weights: tuple[float, ...]


class MixedSplit(Split):
    """Join the clips of several splits, part after part; ids and sources name the part.

    An epoch is as long as all parts together and holds each part in its share, to one clip. A
    part's clips are taken in shuffled rounds of its own, so that each is seen before any is seen
    again, across epochs. Validation and test see every clip once, whatever the weights.

    Where weights follow a schedule, a training is cut into pieces (`within` says how long it is):
    at the samples where parts start, and, for weights that go in a line, at every hundredth of a
    stage. Each piece holds the parts in the shares of its middle. What the rounding to whole clips
    leaves over is carried on to the next piece.

    Raises:
        SpecError: when the parts show different numbers of input frames.
    """

    def __init__(
        self, name: SplitName, parts: Sequence[Part], course: Course | None = None
    ) -> None:
        _check_inputs(parts)
        shards = [shard for part in parts for shard in part.split.shards]
        super().__init__(name, short_hash([_told(part) for part in parts], 16), shards)
        self.parts = tuple(parts)
        self._ends_of_parts = list(accumulate(len(part.split) for part in parts))
        self._changing = any(part.final is not None for part in parts)
        self._pieces_of_course = [] if course is None else list(self._cut(course))

    def within(self, course: Course) -> MixedSplit:
        return MixedSplit(self.name, self.parts, course)

    @property
    def judged_digest(self) -> str:
        """Return the hash of the clips without the weights: each is judged once, so that mixtures
        of the same parts are judged alike."""
        return short_hash([[part.name, 1.0, part.split.digest] for part in self.parts], 16)

    def beginning(self) -> Sequence[int]:
        """Return the clips of the parts that do not start later."""
        return [
            end - len(part.split) + index
            for end, part in zip(self._ends_of_parts, self.parts, strict=True)
            if not part.start
            for index in part.split.beginning()
        ]

    def __len__(self) -> int:
        return self._ends_of_parts[-1]

    def _part(self, index: int) -> tuple[Part, int]:
        number, place = self._within(index, self._ends_of_parts)
        return self.parts[number], place

    def locate(self, index: int) -> tuple[Shard, Entry]:
        part, place = self._part(index)
        return _named(part, *part.split.locate(place))

    def shown(self, index: int, moment: Moment = END) -> int:
        part, place = self._part(index)
        return index - place + part.split.shown(place, moment)

    def draw(self, index: int, seed: int, epoch: int, moment: Moment = END) -> tuple[Shard, Entry]:
        part, place = self._part(index)
        return _named(part, *part.split.draw(place, seed, epoch, moment))

    def shares(self) -> list[int]:
        """Return how many clips of each part an epoch holds once the budget is spent."""
        exact = _exact(self._weights(1.0), len(self))
        return [int(count) for count in _rounded(exact, len(self))]

    def _weights(self, progress: float) -> tuple[float, ...]:
        return tuple(part.ramp.at(progress) for part in self.parts)

    def _cut(self, course: Course) -> Iterator[_Piece]:
        """Yield the pieces of a training in which every weight is constant, or taken as such."""
        for first, samples in course.spans():
            inside = {round(part.start * samples) for part in self.parts}
            if self._changing:
                inside |= {round(samples * change / CHANGES) for change in range(1, CHANGES)}
            borders = sorted({0, samples} | {each for each in inside if 0 < each < samples})
            for begin, end in pairwise(borders):
                # By the piece's middle, which lies behind every start that it begins at.
                weights = self._weights((begin + end) / 2 / samples)
                yield _Piece(first + begin, first + end, weights)

    def _of_epoch(self, epoch: int) -> Iterator[tuple[int, tuple[float, ...]]]:
        """Yield the length and the weights of each piece of an epoch."""
        first, last = epoch * len(self), (epoch + 1) * len(self)
        pieces: list[tuple[int, tuple[float, ...]]] = []
        for piece in self._pieces_of_course:
            length = min(last, piece.last) - max(first, piece.first)
            if length > 0:
                pieces.append((length, piece.weights))
        left = len(self) - sum(length for length, _ in pieces)
        if left:
            pieces.append((left, self._weights(1.0)))
        # Neighbours with one set of weights, such as two stages without a schedule, are one piece.
        for weights, same in groupby(pieces, itemgetter(1)):
            yield sum(length for length, _ in same), weights

    def _counts(self, epochs: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Yield the clips of each part in each piece of the first epochs, with the epoch."""
        carried = np.zeros(len(self.parts))
        for epoch in range(epochs):
            for length, weights in self._of_epoch(epoch):
                exact = _exact(weights, length) + (carried if self._changing else 0.0)
                counts = _rounded(exact, length)
                carried = exact - counts
                yield epoch, counts

    def order(self, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        visits = np.zeros(len(self.parts), np.int64)
        random = np.random.default_rng(stream(seed, "order", epoch))
        order = []
        for each, counts in self._counts(epoch + 1):
            if each == epoch:
                drawn = [
                    end - len(part.split) + _rounds(part, seed, int(begin), int(count))
                    for end, part, begin, count in zip(
                        self._ends_of_parts, self.parts, visits, counts, strict=True
                    )
                ]
                order.append(random.permutation(np.concatenate(drawn)))
            visits += counts
        return np.concatenate(order)


def _told(part: Part) -> list[object]:
    """Return what counts of a part for the digest: a schedule only where there is one."""
    told: list[object] = [part.name, part.weight, part.split.digest]
    if part.start or part.final is not None:
        told.append(part.start)
    return told if part.final is None else [*told, part.final]


def _exact(weights: Sequence[float], length: int) -> npt.NDArray[np.float64]:
    given = np.array(weights, np.float64)
    exact: npt.NDArray[np.float64] = given / given.sum() * length
    return exact


def _rounded(exact: npt.NDArray[np.float64], length: int) -> npt.NDArray[np.int64]:
    """Return whole numbers that add up to `length`, by largest remainders; none is negative."""
    counts = np.maximum(np.floor(exact), 0).astype(np.int64)
    short = length - int(counts.sum())
    if short > 0:
        counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    for _ in range(-short):
        counts[np.argmax(np.where(counts > 0, counts - exact, -np.inf))] -= 1
    return counts


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
