"""Split sources of footage (videos, picture folders), choose their clips and write these to shards.

Clips have motion: none with a scene cut, none of static frames.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tempo.core.catalog import unknown
from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.cache.shards import Entry, ShardWriter
from tempo.data.cache.splits import SPLITS, EarlierDigest, ShardPlan, SplitName, SplitPlan
from tempo.data.clips import Pixels
from tempo.data.dataset_roots import resolve_root
from tempo.data.video_io.media_files import MediaFiles, media_files
from tempo.spec.data import Footage
from tempo.spec.published_data import X4k1000fps

UNEVEN = 0.05
"""How far a middle frame's time may be from 0.5 (of the anchors' distance). Timestamps in whole
milliseconds at 30 frames a second are off by up to 0.015; a frame left out moves it by 0.17."""


@dataclass(slots=True, kw_only=True)
class Frame:
    """Hold a decoded frame. `thumbnail` is its luma, float32 of size `THUMBNAIL`, 0 to 255.

    `time` is when it is shown, in any unit, or None where the source does not say. `pixels` is
    uint8 [H, W, 3], or None where no clip can need it; `place` is where a shard keeps it once it
    was written.
    """

    number: int
    thumbnail: npt.NDArray[np.float32]
    pixels: Pixels | None
    time: float | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundClip:
    """Hold a clip of a stream: anchors at times 0 and 1, and the frames between as targets."""

    first: Frame
    last: Frame
    targets: tuple[Frame, ...]
    target_times: tuple[float, ...]


class Thumbnailed(Protocol):
    """Any frame with a thumbnail."""

    @property
    def thumbnail(self) -> npt.NDArray[np.float32]: ...


def difference(one: Thumbnailed, other: Thumbnailed) -> float:
    """Return the mean absolute difference of two thumbnails, 0 to 255."""
    return float(np.abs(one.thumbnail - other.thumbnail).mean())


def needed(number: int, stride: int, every: int, *, any_time: bool = False) -> bool:
    """Return whether frame `number` belongs to any clip.

    A clip has the anchors k and k + 2 stride, k in steps of `every`, and its target half-way, or
    all frames between when `any_time`.
    """
    steps = range(2 * stride + 1) if any_time else range(0, 2 * stride + 1, stride)
    return any(number >= step and (number - step) % every == 0 for step in steps)


def find_clips(
    frames: Iterable[Frame],
    *,
    stride: int,
    every: int,
    static: float,
    cut: float,
    count: Callable[[str], None],
    any_time: bool = False,
) -> Iterator[FoundClip]:
    """Yield the clips that have motion and no cut, and count the skipped ones by `count`.

    A clip is skipped as a cut when two neighbouring frames anywhere between its anchors differ by
    more than `cut`, as static when a target differs by less than `static` from either anchor,
    and as uneven in time when its only target is not half-way or time does not rise. Only
    2 * stride + 1 frames are kept at a time.
    """
    window: deque[Frame] = deque(maxlen=2 * stride + 1)
    jumps: deque[float] = deque(maxlen=2 * stride)
    inside = range(1, 2 * stride) if any_time else range(stride, stride + 1)
    for frame in frames:
        if window:
            jumps.append(difference(window[-1], frame))
        window.append(frame)
        if len(window) < 2 * stride + 1 or window[0].number % every:
            continue
        targets = tuple(window[place] for place in inside)
        times = _times(window, inside)
        if max(jumps) > cut:
            count("with a cut")
        elif times is None or (not any_time and abs(times[0] - 0.5) > UNEVEN):
            count("uneven in time")
        elif _still(window[0], targets, window[-1]) < static:
            count("static")
        else:
            count("kept")
            yield FoundClip(
                first=window[0],
                last=window[-1],
                targets=targets,
                target_times=times if any_time else (0.5,),
            )


def _still(first: Frame, targets: Sequence[Frame], last: Frame) -> float:
    """Return the smallest difference of a target from an anchor."""
    return min(min(difference(first, each), difference(each, last)) for each in targets)


def _times(window: Sequence[Frame], inside: range) -> tuple[float, ...] | None:
    """Return the targets' times between the anchors, or None where the frames' times do not rise.

    Frames without times count as evenly spaced.
    """
    known = [frame.time for frame in window if frame.time is not None]
    if len(known) < len(window):
        known = [float(place) for place in range(len(window))]
    if any(later <= sooner for sooner, later in pairwise(known)):
        return None
    span = known[-1] - known[0]
    return tuple(round((known[place] - known[0]) / span, 4) for place in inside)


NAMED = 5
"""Most files that were left out of which an error tells."""


def media_below(
    options: Footage, place: str, what: str, suffixes: Sequence[str]
) -> tuple[Path, MediaFiles]:
    """Return the root of footage and the files below it; `place` and `what` are for messages.

    Raises:
        MissingError: no such folder, or none of these files in it.
    """
    root = resolve_root(options.root, place)
    found = media_files(root, suffixes)
    if not found.files:
        raise MissingError(
            f"no {what} under {root} (looked for {', '.join(suffixes)}); "
            "set data.root to a folder that has some"
            + "".join(f"\n  {each}" for each in found.left_out[:NAMED])
        )
    return root, found


HELD_OUT = 0.1
"""Share of the sources that validation gets, at least one, when none are named."""


def by_split(
    sources: Mapping[str, Path],
    options: Footage | X4k1000fps,
    what: str,
    needed: Sequence[SplitName] = SPLITS,
    test_share: float = HELD_OUT,
) -> dict[SplitName, dict[str, Path]]:
    """Return the sources of each split, each source in one split only.

    Sources named by `options.val` and `options.test` go there: by their path below the root, file
    name or stem, or by a pattern such as `*` or `night_*`. For a split that names none, a tenth is
    taken in the order of a hash of their names, so that the choice does not depend on the machine.

    What a source is (`what`) is for the message. Only the splits that are `needed` must have one.

    Raises:
        MissingError: a named source that is not there, or a needed split without a source.
    """
    chosen: dict[SplitName, list[str]] = {
        "val": _named(options.val, sources, "val", what),
        "test": _named(options.test, sources, "test", what),
    }
    both = set(chosen["val"]) & set(chosen["test"])
    if both:
        raise MissingError(f"data.val and data.test both name {', '.join(sorted(both))}")
    rest = sorted(set(sources) - set(chosen["val"]) - set(chosen["test"]), key=hash_order)
    shares: dict[SplitName, float] = {"test": test_share, "val": HELD_OUT}
    for split, share in shares.items():
        if not chosen[split]:
            count = max(1, round(share * len(sources)))
            chosen[split], rest = rest[:count], rest[count:]
    chosen["train"] = rest
    empty = [split for split in needed if not chosen[split]]
    if empty:
        raise MissingError(
            f"{len(sources)} {what}s under {options.root!r} cannot be split by {what} into "
            f"{', '.join(SPLITS)}: {_too_few(chosen, empty)}"
        )
    return {split: {name: sources[name] for name in sorted(chosen[split])} for split in SPLITS}


def _too_few(chosen: Mapping[SplitName, Sequence[str]], empty: Sequence[SplitName]) -> str:
    """Return why splits are empty: there are too few sources, or the others name them all."""
    count = sum(map(len, chosen.values()))
    if count < len(SPLITS):
        return f"at least {len(SPLITS)} are needed, one left over for each split"
    taken = " and ".join(f"{split} takes {len(chosen[split])}" for split in ("val", "test"))
    return (
        f"{taken}, and none is left for {' and '.join(empty)}; name fewer in data.val and data.test"
    )


def _named(
    patterns: Iterable[str], sources: Mapping[str, Path], field: str, what: str
) -> list[str]:
    """Return the sources that names or patterns mean, each once."""
    found: dict[str, None] = {}
    for pattern in patterns:
        same = [
            known for known in sources if pattern in (known, Path(known).name, Path(known).stem)
        ][:1]
        same = same or [
            known
            for known in sources
            if fnmatchcase(known, pattern) or fnmatchcase(Path(known).name, pattern)
        ]
        if not same:
            raise MissingError(f"data.{field}: {unknown(what, pattern, sources)}")
        found |= dict.fromkeys(same)
    return list(found)


def hash_order(name: str) -> bytes:
    """Return a sorting key that depends on `name` alone."""
    return hashlib.blake2b(name.encode(), digest_size=8).digest()


def any_time(options: Footage, split: SplitName) -> bool:
    """Return whether each frame between the anchors is a target; only training asks for that."""
    return options.target_times == "any" and split == "train"


def shard_name(options: Footage, name: str, content: str, version: int, split: SplitName) -> str:
    """Return the name of a source's shard: a readable stem and the hash of all that decides it."""
    fields = ("size", "stride", "every", "static", "cut", "limit")
    chosen = {"version": version, "name": name, "content": content}
    chosen |= {field: getattr(options, field) for field in fields}
    chosen |= {"any_time": any_time(options, split)}
    stem = "".join(c if c.isalnum() else "_" for c in Path(name).stem)[:60]
    return f"{stem}-{short_hash(chosen, 16)}"


def plan_sources(
    split: SplitName,
    version: int,
    shards: Iterable[ShardPlan],
    left_out: tuple[str, ...] = (),
    earlier_digest: EarlierDigest | None = None,
) -> SplitPlan:
    """Return the plan of a split with one shard for each source, identified by their names."""
    shards = tuple(shards)
    return SplitPlan(
        name=split,
        digest=digest_of(split, version, [shard.name for shard in shards]),
        shards=shards,
        left_out=left_out,
        earlier_digest=earlier_digest,
    )


def digest_of(split: SplitName, version: int, shards: Sequence[str]) -> str:
    """Return the digest of a split whose shards have these names."""
    return short_hash({"version": version, "split": split, "shards": shards}, 16)


def write_clips(
    writer: ShardWriter, options: Footage, name: str, frames: Iterable[Frame], split: SplitName
) -> None:
    """Write the clips of one source, at most `limit`; a frame that clips share is written once."""
    found = find_clips(
        frames,
        stride=options.stride,
        every=options.every,
        static=options.static,
        cut=options.cut,
        count=writer.count,
        any_time=any_time(options, split),
    )
    for number, clip in enumerate(found, 1):
        _add(writer, name, clip)
        if number == options.limit:
            break


def _add(writer: ShardWriter, name: str, clip: FoundClip) -> None:
    place = partial(_placed, writer)
    writer.clip(
        Entry(
            id=f"{name}@{clip.first.number:06d}",
            source=name,
            inputs=(place(clip.first), place(clip.last)),
            times=(0.0, 1.0),
            targets=tuple(map(place, clip.targets)),
            target_times=clip.target_times,
        )
    )


def _placed(writer: ShardWriter, frame: Frame) -> int:
    if frame.place is None:
        assert frame.pixels is not None
        frame.place = writer.picture(frame.pixels)
        frame.pixels = None
    return frame.place
