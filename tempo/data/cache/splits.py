"""Plan the shards of a split and read its clips: whole, cut from sequences, or graded by motion."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tempo.core.budget_course import END, Course, Moment
from tempo.core.seeding import stream
from tempo.data.cache.shards import Entry, Shard, ShardWriter
from tempo.data.clips import Clip, Pixels

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")

RESIDENT = 256 << 20
"""Bytes of pictures that are read before their pages are given back to the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """Plan one shard: `name` hashes its content, `fill` writes it, `clips` is a guess.

    `fill` can be pickled and run in another process. `pictures` is the largest number it writes,
    where that is known before, and tells how much disk is needed.
    """

    name: str
    size: tuple[int, int]
    clips: int
    fill: Callable[[ShardWriter], None]
    pictures: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Say how clips are cut from cached sequences on access.

    The anchors of a clip are `spacing` frames apart; its target is one of the frames between them
    when `any_time`, else the middle one. Training starts anywhere in a sequence, at random.
    `earlier` gives the spacing until each of some rising fractions of the budget.
    """

    spacing: int
    any_time: bool
    earlier: tuple[tuple[float, int], ...] = ()

    def at(self, moment: Moment) -> int:
        """Return the spacing at a moment of a training."""
        passed = moment.passed([until for until, _ in self.earlier])
        return [*(spacing for _, spacing in self.earlier), self.spacing][passed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    """Say which clips a training shows at first, by a level of each, such as its motion.

    `earlier` gives the least and the most level until each of some rising fractions of the budget.
    """

    levels: tuple[float, ...]
    earlier: tuple[tuple[float, tuple[float, float]], ...]


class EarlierDigest(NamedTuple):
    """Hold the digest that earlier records have of a split.

    `when` goes on after "it was recorded when its test clips ..." and says what is not known.
    """

    digest: str
    when: str

    @classmethod
    def of_names(cls, digest: str) -> EarlierDigest:
        """Return that of a published set, whose content was not looked into."""
        return cls(
            digest,
            "were known by their names alone: whether their pictures are still the same is not "
            "known",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """Plan the shards of a split. `digest` is the hash of everything that decides its clips.

    `tolerated` is the share of its clips that may be unreadable. With a `window`, the shards hold
    whole sequences; with a `grading`, not all clips are shown from the first step on. `left_out`
    names what lies among the sources and is none, a sentence each. `earlier_digest`
    is what records of an earlier Tempo hold.
    """

    name: SplitName
    digest: str
    shards: tuple[ShardPlan, ...]
    tolerated: float = 0.0
    window: Window | None = None
    grading: Grading | None = None
    left_out: tuple[str, ...] = ()
    earlier_digest: EarlierDigest | None = None


class Split:
    """Read the clips of one split from its shards.

    The same `digest` means the same clips, on any machine.
    `counts` adds up what the shards counted while they were built (triplets kept and skipped).
    """

    def __init__(self, name: SplitName, digest: str, shards: Sequence[Shard]) -> None:
        self.name: SplitName = name
        self.digest = digest
        self.shards = tuple(shards)
        self._ends = list(accumulate(len(shard.entries) for shard in self.shards))
        self._read = 0
        self.counts: Counter[str] = Counter()
        for shard in self.shards:
            self.counts.update(shard.counts)
        self.notes = tuple(note for shard in self.shards for note in shard.notes)
        self.skipped = tuple(clip for shard in self.shards for clip in shard.skipped)

    def leave_out(self, sentences: Sequence[str]) -> None:
        """Count what lies among the sources and is none, and note a sentence each."""
        if sentences:
            self.counts["files left out"] += len(sentences)
            self.notes = (*self.notes, *sentences)

    @property
    def judged_digest(self) -> str:
        """Return the hash of what counts where every clip is judged once."""
        return self.digest

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Clip]:
        return (self[index] for index in range(len(self)))

    def locate(self, index: int) -> tuple[Shard, Entry]:
        """Return the shard and the entry of clip `index`.

        Raises:
            IndexError: outside 0 to len - 1 (negative positions count from the end).
        """
        number, place = self._within(index, self._ends)
        shard = self.shards[number]
        return shard, shard.entries[place]

    def _within(self, index: int, ends: Sequence[int]) -> tuple[int, int]:
        """Return which of the parts that end at `ends` holds a clip, and its place in the part."""
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"the {self.name} split has {len(self)} clips, no clip {index}")
        number = bisect_right(ends, place)
        return number, place - (ends[number - 1] if number else 0)

    def shown(self, index: int, moment: Moment = END) -> int:
        """Return the clip that a training sees in the place of clip `index`, mostly itself."""
        return index

    def draw(self, index: int, seed: int, epoch: int, moment: Moment = END) -> tuple[Shard, Entry]:
        """Return clip `index` as trained on in `epoch`; it differs where clips start at random."""
        return self.locate(index)

    def order(self, seed: int, epoch: int) -> npt.NDArray[np.int64]:
        """Return the clips of one epoch, int64 [len]: a pure function of (seed, epoch)."""
        return np.random.default_rng(stream(seed, "order", epoch)).permutation(len(self))

    def within(self, course: Course) -> Split:
        """Return the split as a training of that course draws from it."""
        return self

    def beginning(self) -> Sequence[int]:
        """Return the clips that a training may see from its first step on."""
        return range(len(self))

    def used(self, size: int) -> None:
        """Count the bytes of pictures read, and release the pages beyond `RESIDENT`."""
        self._read += size
        if self._read > RESIDENT:
            self._read = 0
            for shard in self.shards:
                shard.release()

    def __getitem__(self, index: int) -> Clip:
        """Return clip `index`, with the first of its targets."""
        shard, entry = self.locate(index)
        pixels: Pixels = shard.pixels
        clip = Clip(
            id=entry.id,
            source=entry.source,
            frames=pixels[list(entry.inputs)],
            times=entry.times,
            target=pixels[entry.targets[0]].copy(),
            target_time=entry.target_times[0],
            motion=entry.motion,
            occlusion=entry.occlusion,
        )
        self.used(clip.frames.nbytes + clip.target.nbytes)
        return clip


class WindowedSplit(Split):
    """Cut clips from sequences on access; an entry's `targets` are all its pictures in order.

    One cache serves every spacing. `locate` gives the central window with its middle target, at
    the last spacing; `draw` starts at random, from the stream (seed, "start", epoch, index).
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

    def draw(self, index: int, seed: int, epoch: int, moment: Moment = END) -> tuple[Shard, Entry]:
        shard, whole = super().locate(index)
        random = np.random.default_rng(stream(seed, "start", epoch, index))
        spacing = self.window.at(moment)
        start = int(random.integers(len(whole.targets) - spacing))
        return shard, cut(whole, start, spacing, any_time=self.window.any_time)


class GradedSplit(Split):
    """Show a training only the clips whose level lies in a range, which changes over the budget.

    In the place of a clip outside stands one inside: of n clips by rising level, the one of rank r
    is shown as that of rank floor(r m / n) of the m clips inside. So each of these is seen equally
    often, to one time an epoch, and the order, the crops and the flips are those without a range.
    """

    def __init__(
        self, name: SplitName, digest: str, shards: Sequence[Shard], grading: Grading
    ) -> None:
        super().__init__(name, digest, shards)
        self._untils = [until for until, _ in grading.earlier]
        levels = np.array(grading.levels)
        rising = np.argsort(levels, kind="stable")
        self._shown: list[npt.NDArray[np.int64]] = []
        for _, (low, high) in grading.earlier:
            inside = rising[(levels[rising] >= low) & (levels[rising] <= high)]
            shown = np.empty_like(rising)
            shown[rising] = inside[np.arange(len(rising)) * len(inside) // len(rising)]
            self._shown.append(shown)

    def shown(self, index: int, moment: Moment = END) -> int:
        passed = moment.passed(self._untils)
        return int(self._shown[passed][index]) if passed < len(self._shown) else index

    def beginning(self) -> Sequence[int]:
        """Return the clips whose level lies in the first range."""
        return sorted({int(index) for index in self._shown[0]})


def cut(whole: Entry, start: int, spacing: int, *, any_time: bool) -> Entry:
    """Return the clip whose anchors are the pictures `start` and `start + spacing` of a sequence.

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
