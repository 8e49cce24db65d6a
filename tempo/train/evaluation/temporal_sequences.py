"""Compute temporal metrics of test clips from each prediction and its neighbours in time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import torch

from tempo.data.cache.splits import Split
from tempo.data.clips import Clip, Pixels
from tempo.metrics.metric_table import evaluate_moment, needs
from tempo.metrics.temporal import Frame, Moment
from tempo.train.evaluation.clip_evaluation import Judged
from tempo.train.hardware.process_group import Group


def stretches(split: Split) -> list[range]:
    """Return the ranges of clips whose targets follow each other in time; most are single clips.

    Clips follow each other when they are neighbours in a shard and share a picture of one source.
    """
    starts = [at for at in range(len(split)) if at == 0 or not _follows(split, at - 1, at)]
    return [range(*ends) for ends in zip(starts, [*starts[1:], len(split)], strict=True)]


def _follows(split: Split, one: int, other: int) -> bool:
    (shard, entry), (shard_, entry_) = split.locate(one), split.locate(other)
    if shard is not shard_ or entry.source != entry_.source:
        return False
    pictures = {*entry.inputs, entry.targets[0]}, {*entry_.inputs, entry_.targets[0]}
    return entry.targets[0] < entry_.targets[0] and not pictures[0].isdisjoint(pictures[1])


def share_of_stretches(found: Sequence[range], group: Group) -> list[int]:
    """Return the clips that this process judges: whole ranges, so that neighbours stay together."""
    return [index for stretch in found[group.rank :: group.world] for index in stretch]


def judge_in_time(
    judged: Iterable[Judged], found: Sequence[range], names: Sequence[str]
) -> Iterator[Judged]:
    """Add the temporal metrics among `names` to judged clips, in the same order.

    Holds three clips at a time. A metric without meaning for a clip gets no value.

    Args:
        judged: clips by rising index; may end early.
        found: stretches of clips whose targets follow each other; other clips stand alone.
    """
    if needs(names) <= {"frame"}:
        yield from judged
        return
    number = {index: place for place, stretch in enumerate(found) for index in stretch}
    earlier: Judged | None = None
    current: Judged | None = None
    for later in chain(judged, [None]):
        if current is not None:
            beside = [_linked(current, each, number) for each in (earlier, later)]
            values = evaluate_moment(_moment(current, *beside), names)
            current.row.values.update(values)
            yield current
        earlier, current = current, later


def _linked(one: Judged, other: Judged | None, number: dict[int, int]) -> Judged | None:
    """Return `other` when the targets of both clips follow each other in time."""
    if other is None or one.row.index not in number:
        return None
    near = abs(one.row.index - other.row.index) == 1
    same = number[one.row.index] == number.get(other.row.index)
    return other if near and same else None


def _moment(judged: Judged, earlier: Judged | None, later: Judged | None) -> Moment:
    clip = judged.clip
    before, after = surrounding(clip)
    consecutive = [None if each is None else _frame(each) for each in (earlier, later)]
    beside = [
        frame if other is not None and frame is not None and clip.times == other.clip.times
        and np.array_equal(clip.frames, other.clip.frames)
        else _input(clip.frames[place])
        for other, frame, place in zip((earlier, later), consecutive, (before, after), strict=True)
    ]  # fmt: skip
    return Moment(
        frame=_frame(judged),
        before=beside[0],
        after=beside[1],
        earlier=consecutive[0],
        later=consecutive[1],
        device=str(judged.prediction.device),
    )


def surrounding(clip: Clip) -> tuple[int, int]:
    """Return the positions of the input frames before and after the target."""
    after = min(max(bisect_left(clip.times, clip.target_time), 1), len(clip.times) - 1)
    return after - 1, after


def _frame(judged: Judged) -> Frame:
    return Frame(judged.prediction.clamp(0, 1).cpu(), picture(judged.clip.target))


def _input(pixels: Pixels) -> Frame:
    same = picture(pixels)
    return Frame(same, same)


def picture(pixels: Pixels) -> torch.Tensor:
    """Convert uint8 [H, W, 3] to float32 [3, H, W] in 0..1."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().div_(255)
