"""Make training batches from a split: shuffled, cropped and augmented by (seed, step) alone.

A batch is a pure function of the two, so that resuming a run needs only its step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tempo.core.budget_course import END, Course
from tempo.core.errors import MissingError, SpecError
from tempo.core.seeding import stream
from tempo.data.cache.shards import Entry
from tempo.data.cache.splits import Split
from tempo.data.clips import Pixels
from tempo.spec.recipe import Augment


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Hold B training samples.

    `frames` is uint8 [B, N, 3, H, W] and `target` uint8 [B, 3, H, W], both with channels last in
    memory; `times` float32 [B, N] and `target_time` float32 [B] run from 0 to 1; `indices`
    int64 [B] are the clips' positions in their split.
    """

    frames: torch.Tensor
    times: torch.Tensor
    target: torch.Tensor
    target_time: torch.Tensor
    indices: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Describe the augmentation of one sample, the same for all its frames and its target."""

    top: int
    left: int
    rows: int
    columns: int
    turned: bool
    reversed: bool
    target: int
    colours: tuple[int, ...]
    """The order of the colour channels."""


class TrainBatches:
    """Make shuffled, cropped and augmented batches of a split.

    Every epoch has an order of its own, from the stream (seed, "order", epoch); crop, flips,
    reversal and the choice among several targets come from (seed, "augment", epoch, index). A
    batch may reach into the next epoch, so each step has exactly `batch` clips. With several
    processes, process `rank` of `world` gets its part of each global batch.

    Two variants with one seed see the same samples in one order. `batch` counts clips per step
    over all processes; `crop` is the side of the square crop in pixels. `course` says how far the
    budget is spent at a step, for data that follow a schedule; without it they are as at its end.

    Raises:
        SpecError: when the crop does not fit, or the batch cannot be shared among the processes.
        MissingError: when the split has no clips.
    """

    def __init__(
        self,
        split: Split,
        *,
        seed: int,
        batch: int,
        crop: int,
        augment: Augment,
        rank: int = 0,
        world: int = 1,
        course: Course | None = None,
    ) -> None:
        if not len(split):
            raise MissingError(f"the {split.name} split has no clips to train on")
        _check(split, batch, crop, rank, world)
        self.split = split if course is None else split.within(course)
        self.seed, self.crop, self.augment, self._course = seed, crop, augment, course
        self._batch, self._share, self._rank = batch, batch // world, rank
        self._orders: dict[int, npt.NDArray[np.int64]] = {}

    def sample(self, position: int) -> tuple[int, int]:
        """Return (epoch, index) of the sample at `position`, counted over all steps."""
        epoch, place = divmod(position, len(self.split))
        return epoch, int(self._order(epoch)[place])

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the order of an epoch; two are kept, because a batch may straddle two epochs."""
        if epoch not in self._orders:
            last = {each: self._orders[each] for each in list(self._orders)[-1:]}
            self._orders = last | {epoch: self.split.order(self.seed, epoch)}
        return self._orders[epoch]

    def batch(self, step: int) -> Batch:
        """Return the batch of `step`, counted from 0."""
        first = step * self._batch + self._rank * self._share
        samples = [self.sample(first + number) for number in range(self._share)]
        moment = self._course.at(step) if self._course else END
        shown = [self.split.shown(index, moment) for _, index in samples]
        located = [
            self.split.draw(clip, self.seed, epoch, moment)
            for (epoch, _), clip in zip(samples, shown, strict=True)
        ]
        inputs = len(located[0][1].inputs)
        shape = (self._share, inputs + 1, self.crop, self.crop, 3)
        pixels = np.empty(shape, np.uint8)
        times = np.empty((self._share, inputs + 1), np.float32)
        for row, ((epoch, index), (shard, entry)) in enumerate(zip(samples, located, strict=True)):
            change = self.change(epoch, index, entry, shard.size)
            _fill(pixels[row], shard.pixels, entry, change)
            times[row] = _times(entry, change)
        # Pictures that were read count whole: their rows lie side by side.
        read = [(len(entry.inputs) + 1, *shard.size, 3) for shard, entry in located]
        self.split.used(sum(map(prod, read)))
        pictures = torch.from_numpy(pixels).permute(0, 1, 4, 2, 3)
        return Batch(
            frames=pictures[:, :inputs],
            times=torch.from_numpy(times[:, :inputs]),
            target=pictures[:, inputs],
            target_time=torch.from_numpy(times[:, inputs]),
            indices=torch.tensor(shown, dtype=torch.int64),
        )

    def change(self, epoch: int, index: int, entry: Entry, size: tuple[int, int]) -> Augmentation:
        """Return the random change of clip `index` in `epoch`.

        All draws are made whatever is switched on, so switching one off leaves the others alone;
        the order of the colours is drawn last, so it may be left undrawn.
        """
        random = np.random.default_rng(stream(self.seed, "augment", epoch, index))
        down, right, target = random.random(3)
        vertical, horizontal, turned, backwards = random.random(4) < 0.5
        colours = random.permutation(3) if self.augment.channel_shuffle else range(3)
        flips = self.augment.flips
        return Augmentation(
            top=int(down * (size[0] - self.crop + 1)),
            left=int(right * (size[1] - self.crop + 1)),
            rows=-1 if flips and vertical else 1,
            columns=-1 if flips and horizontal else 1,
            turned=bool(self.augment.rot90 and turned),
            reversed=bool(self.augment.time_reversal and backwards),
            target=int(target * len(entry.targets)),
            colours=tuple(int(colour) for colour in colours),
        )


def _check(split: Split, batch: int, crop: int, rank: int, world: int) -> None:
    if batch % world or not 0 <= rank < world:
        raise SpecError(
            f"a global batch of {batch} cannot be shared among {world} processes (rank {rank}): "
            "it has to be a multiple of their number"
        )
    smallest = min(min(shard.size) for shard in split.shards)
    if crop > smallest:
        raise SpecError(
            f"recipe.crop is {crop}, but pictures of the {split.name} split are only {smallest} "
            f"pixels on their shorter side: choose a crop of at most {smallest}, or larger clips"
        )


def _fill(out: Pixels, pixels: Pixels, entry: Entry, change: Augmentation) -> None:
    """Write the inputs, then the target, of one sample into `out`, uint8 [N + 1, C, C, 3]."""
    crop = out.shape[1]
    inputs = entry.inputs[::-1] if change.reversed else entry.inputs
    area = (slice(change.top, change.top + crop), slice(change.left, change.left + crop))
    for slot, picture in zip(out, (*inputs, entry.targets[change.target]), strict=True):
        cut = pixels[picture][area]
        if change.colours != (0, 1, 2):
            cut = np.ascontiguousarray(cut[..., list(change.colours)])
        write_turned(
            slot,
            cut,
            upside_down=change.rows < 0,
            mirrored=change.columns < 0,
            turned=change.turned,
        )


def _times(entry: Entry, change: Augmentation) -> tuple[float, ...]:
    times = (*entry.times, entry.target_times[change.target])
    if not change.reversed:
        return times
    return (*(1 - time for time in times[-2::-1]), 1 - times[-1])


@cache
def _opencv() -> Any:
    """Import OpenCV on first use and hold it to one thread: a run's threads are its spec's."""
    import cv2

    cv2.setNumThreads(1)
    return cv2


def write_turned(
    out: Pixels, cut: Pixels, *, upside_down: bool, mirrored: bool, turned: bool
) -> None:
    """Write `cut` into `out`, both uint8 [S, S, 3], flipped first and then turned.

    `out` is contiguous. A turn is by 90 degrees counter-clockwise, as `numpy.rot90` makes it.
    OpenCV does this over 10 times as fast as a strided copy.
    """
    flipped = upside_down or mirrored
    if not (flipped or turned):
        out[...] = cut
        return
    cv2 = _opencv()
    if flipped:
        code = -1 if upside_down and mirrored else int(mirrored)
        cut = cv2.flip(cut, code, None if turned else out)
    if turned:
        cv2.rotate(cut, cv2.ROTATE_90_COUNTERCLOCKWISE, out)
