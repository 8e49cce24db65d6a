"""Split sources of footage (videos, picture folders) and write their clips into shards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tempo.core.catalog import unknown
from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.cache.shards import Entry, ShardWriter
from tempo.data.cache.splits import SPLITS, ShardPlan, SplitName, SplitPlan
from tempo.data.datasets.triplet_choice import FoundClip, Frame, find_clips
from tempo.spec.data import Footage

HELD_OUT = 0.1
"""Share of the sources that validation and test get each, at least one, when none are named."""


def by_split(
    sources: Mapping[str, Path], val: Sequence[str], test: Sequence[str], what: str, where: str
) -> dict[SplitName, dict[str, Path]]:
    """Return the sources of each split, each source in one split only.

    Sources named by `val` and `test` go there. For a split that names none, a tenth is taken in the
    order of a hash of their names, so that the choice does not depend on the machine.

    They may be named by file name or stem. What a source is (`what`) and the root as written
    (`where`) are for the message.

    Raises:
        MissingError: a named source that is not there, or too few for three splits.
    """
    chosen: dict[SplitName, list[str]] = {
        "val": [_named(name, sources, "val", what) for name in val],
        "test": [_named(name, sources, "test", what) for name in test],
    }
    both = set(chosen["val"]) & set(chosen["test"])
    if both:
        raise MissingError(f"data.val and data.test both name {', '.join(sorted(both))}")
    rest = sorted(set(sources) - set(chosen["val"]) - set(chosen["test"]), key=hash_order)
    for split in ("test", "val"):
        if not chosen[split]:
            share = max(1, round(HELD_OUT * len(sources)))
            chosen[split], rest = rest[:share], rest[share:]
    chosen["train"] = rest
    if not all(chosen.values()):
        raise MissingError(
            f"{len(sources)} {what}s under {where!r} cannot be split by {what} into "
            f"{', '.join(SPLITS)}: at least 3 are needed, one left over for each split"
        )
    return {split: {name: sources[name] for name in sorted(chosen[split])} for split in SPLITS}


def _named(name: str, sources: Mapping[str, Path], field: str, what: str) -> str:
    for known in sources:
        if name in (known, Path(known).name, Path(known).stem):
            return known
    raise MissingError(f"data.{field}: {unknown(what, name, sources)}")


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


def plan_sources(split: SplitName, version: int, shards: Iterable[ShardPlan]) -> SplitPlan:
    """Return the plan of a split with one shard for each source, identified by their names."""
    shards = tuple(shards)
    chosen = {"version": version, "split": split, "shards": [shard.name for shard in shards]}
    return SplitPlan(name=split, digest=short_hash(chosen, 16), shards=shards)


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
