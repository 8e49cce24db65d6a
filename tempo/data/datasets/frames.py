"""Read clips from folders of numbered pictures, one folder for each sequence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.cache.shards import ShardWriter
from tempo.data.cache.splits import SPLITS, ShardPlan, SplitName, SplitPlan
from tempo.data.datasets.footage import (
    Frame,
    any_time,
    by_split,
    media_below,
    needed,
    plan_sources,
    shard_name,
    write_clips,
)
from tempo.data.video_io.picture_files import (
    SUFFIXES,
    cover,
    natural,
    numbered,
    read_picture,
    thumbnail,
)
from tempo.records.files import sha256_of
from tempo.spec.data import Frames
from tempo.spec.options import Options

VERSION = 2
"""Raised when the same pictures and options would give other clips."""

_LAST_NUMBER = re.compile(r"(\d+)\D*$")


def check_available(options: Options, splits: Sequence[SplitName] = SPLITS) -> None:
    """Raise MissingError unless the folders are there and each of `splits` has some."""
    assert isinstance(options, Frames)
    folders_by_split(options, splits)


def sources(options: Options, split: SplitName) -> Iterable[Path]:
    """Return the folders of a split, whatever way leads to them."""
    assert isinstance(options, Frames)
    return (folder.resolve() for folder in folders_by_split(options, (split,))[split].values())


def folders_by_split(
    options: Frames, needed: Sequence[SplitName] = SPLITS
) -> dict[SplitName, dict[str, Path]]:
    """Return the folders of each split, see `tempo.data.datasets.footage.by_split`.

    Raises:
        MissingError: no pictures, a named folder that is not there, or too few for `needed`.
    """
    return _split(_found(options)[0], options, needed)


def _found(options: Frames) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Return the folders that hold pictures, by name, and what lies there and is no picture."""
    place = "the folder of picture sequences"
    root, found = media_below(options, place, "folder of pictures", SUFFIXES)
    holding = {file.parent for file in found.files}
    folders = sorted(holding, key=lambda folder: natural(folder.as_posix()))
    return {folder.relative_to(root).as_posix(): folder for folder in folders}, found.left_out


def _split(
    folders: dict[str, Path], options: Frames, needed: Sequence[SplitName]
) -> dict[SplitName, dict[str, Path]]:
    return by_split(folders, options, "picture folder", needed, options.test_share)


def plan_split(options: Options, split: SplitName, cache: Path) -> SplitPlan:
    """Plan one shard for each folder, named by its content (see `open_dataset.DatasetModule`)."""
    assert isinstance(options, Frames)
    folders, left_out = _found(options)
    chosen = _split(folders, options, (split,))[split]
    shards = (_shard(options, name, folder, split) for name, folder in chosen.items())
    return plan_sources(split, VERSION, shards, left_out)


def _shard(options: Frames, name: str, folder: Path, split: SplitName) -> ShardPlan:
    files = numbered(folder)
    return ShardPlan(
        name=shard_name(options, name, content_of(files), VERSION, split),
        size=options.size,
        clips=max(1, min(len(files) // options.every, options.limit or len(files))),
        pictures=None if options.limit else len(files),
        fill=partial(_fill, options=options, name=name, folder=folder, split=split),
    )


def content_of(files: list[Path]) -> str:
    """Return a hash of the names and sizes of all pictures and the content of three of them.

    Reading every byte to name a cache would take as long as building it.
    """
    read = {0, len(files) // 2, len(files) - 1}
    told = [
        [file.name, file.stat().st_size, sha256_of(file) if place in read else None]
        for place, file in enumerate(files)
    ]
    return short_hash(told, 32)


def _fill(writer: ShardWriter, options: Frames, name: str, folder: Path, split: SplitName) -> None:
    frames = _read(writer, options, name, numbered(folder), any_time(options, split))
    write_clips(writer, options, name, frames, split)


def _read(
    writer: ShardWriter, options: Frames, name: str, files: list[Path], every_time: bool
) -> Iterator[Frame]:
    """Yield the pictures that can be read.

    The number in a name is the picture's time: a missing one makes the clips around it uneven, and
    they are left out.
    """
    for number, file in enumerate(files):
        try:
            pixels = read_picture(file, name)
        except MissingError as error:
            writer.count("unreadable pictures")
            writer.notes.append(str(error))
            continue
        wanted = needed(number, options.stride, options.every, any_time=every_time)
        yield Frame(
            number=number,
            time=_time(file),
            thumbnail=thumbnail(pixels),
            pixels=cover(pixels, options.size) if wanted else None,
        )


def _time(file: Path) -> float | None:
    found = _LAST_NUMBER.search(file.stem)
    return float(found.group(1)) if found else None
