"""Triplets from a folder of video files, decoded once into a cache (PyAV, that is FFmpeg)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from tempo.core.catalog import unknown
from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.clips import Pixels
from tempo.data.roots import Fingerprints, resolve_root
from tempo.data.shards import Entry, ShardWriter
from tempo.data.splits import SPLITS, ShardPlan, SplitName, SplitPlan
from tempo.data.triplets import THUMBNAIL, Frame, needed, triplets
from tempo.spec.data import Video
from tempo.spec.options import Options

VERSION = 1
"""Raised when the same file and options would give other triplets."""

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".y4m")
HELD_OUT = 0.1
"""Share of the files that validation and test get each, at least one, when none are named."""


def check_available(options: Options) -> None:
    """See `tempo.data.open.check_available`."""
    assert isinstance(options, Video)
    files_by_split(options)


def find_files(options: Video) -> dict[str, Path]:
    """The video files under the root: path relative to it, with slashes, to file, sorted."""
    root = resolve_root(options.root, "the folder of videos")
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise MissingError(
            f"no video file under {root} (looked for {', '.join(SUFFIXES)}); "
            "set data.root to a folder that has some"
        )
    return {file.relative_to(root).as_posix(): file for file in files}


def files_by_split(options: Video) -> dict[SplitName, dict[str, Path]]:
    """The files of each split. A file is in one split only.

    Files named by `val` and `test` go there. For a split that names none, a tenth of the files is
    taken in the order of a hash of their names, so that the choice does not depend on the machine.

    Raises:
        MissingError: no files, a named file that is not there, or too few files for three splits.
    """
    files = find_files(options)
    chosen: dict[SplitName, list[str]] = {
        "val": [_named(name, files, "val") for name in options.val],
        "test": [_named(name, files, "test") for name in options.test],
    }
    both = set(chosen["val"]) & set(chosen["test"])
    if both:
        raise MissingError(f"data.val and data.test both name {', '.join(sorted(both))}")
    rest = sorted(set(files) - set(chosen["val"]) - set(chosen["test"]), key=_order)
    for split in ("test", "val"):
        if not chosen[split]:
            share = max(1, round(HELD_OUT * len(files)))
            chosen[split], rest = rest[:share], rest[share:]
    chosen["train"] = rest
    if not all(chosen.values()):
        raise MissingError(
            f"{len(files)} video files under {options.root!r} cannot be split by file into "
            f"{', '.join(SPLITS)}: at least 3 are needed, one left over for each split"
        )
    return {split: {name: files[name] for name in sorted(chosen[split])} for split in SPLITS}


def _named(name: str, files: dict[str, Path], field: str) -> str:
    for known in files:
        if name in (known, Path(known).name, Path(known).stem):
            return known
    raise MissingError(f"data.{field}: {unknown('video file', name, files)}")


def _order(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()


def plan_split(options: Options, split: SplitName, cache: Path) -> SplitPlan:
    """See `tempo.data.open.Source`. Each file becomes one shard, named by its content."""
    assert isinstance(options, Video)
    files = files_by_split(options)[split]
    hashes = Fingerprints(cache).of(list(files.values()))
    shards = tuple(
        _shard(options, name, file, content)
        for (name, file), content in zip(files.items(), hashes, strict=True)
    )
    chosen = {"version": VERSION, "split": split, "shards": [shard.name for shard in shards]}
    return SplitPlan(name=split, digest=short_hash(chosen, 16), shards=shards)


def _shard(options: Video, name: str, file: Path, content: str) -> ShardPlan:
    fields = ("size", "stride", "every", "static", "cut", "limit")
    chosen = {"version": VERSION, "name": name, "content": content}
    chosen |= {field: getattr(options, field) for field in fields}
    stem = "".join(c if c.isalnum() else "_" for c in Path(name).stem)[:60]
    return ShardPlan(
        name=f"{stem}-{short_hash(chosen, 16)}",
        size=options.size,
        clips=_guess(options, file),
        fill=partial(_fill, options=options, name=name, file=file),
    )


def _guess(options: Video, file: Path) -> int:
    """About as many triplets as the file will give; only progress bars use it."""
    frames = file.stat().st_size // 10_000
    return max(1, min(frames // options.every, options.limit or frames))


def _fill(writer: ShardWriter, options: Video, name: str, file: Path) -> None:
    def broken(reason: str) -> None:
        writer.count("broken files")
        writer.notes.append(f"{name}: cannot be decoded to its end ({reason})")

    found = triplets(
        _readable(decode(file, options), broken),
        stride=options.stride,
        every=options.every,
        static=options.static,
        cut=options.cut,
        count=writer.count,
    )
    for number, triplet in enumerate(found, 1):
        _add(writer, name, triplet)
        if number == options.limit:
            break


def _readable(frames: Iterator[Frame], broken: Callable[[str], None]) -> Iterator[Frame]:
    """The frames up to the first that cannot be decoded.

    One bad file must not stop a study over thousands; what was read before it stays.
    """
    try:
        yield from frames
    except (av.FFmpegError, OSError) as error:
        broken(getattr(error, "strerror", None) or str(error))


def _add(writer: ShardWriter, name: str, triplet: tuple[Frame, Frame, Frame]) -> None:
    places = []
    for frame in triplet:
        if frame.place is None:
            assert frame.pixels is not None
            frame.place = writer.picture(frame.pixels)
        places.append(frame.place)
    writer.clip(
        Entry(
            id=f"{name}@{triplet[0].number:06d}",
            source=name,
            inputs=(places[0], places[2]),
            times=(0.0, 1.0),
            targets=(places[1],),
            target_times=(0.5,),
        )
    )


def decode(file: Path, options: Video) -> Iterator[Frame]:
    """The frames of a file in order of presentation.

    Raises:
        av.FFmpegError, OSError: when the file is not a video or breaks off.
    """
    with av.open(str(file)) as container:
        if not container.streams.video:
            raise OSError(f"{file} holds no picture")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for number, frame in enumerate(container.decode(stream)):
            wanted = needed(number, options.stride, options.every)
            pixels = cover(frame, options.size) if wanted else None
            yield Frame(number=number, thumbnail=_thumbnail(frame), pixels=pixels)


def cover(frame: VideoFrame, size: tuple[int, int]) -> Pixels:
    """The frame as uint8 RGB [H, W, 3], scaled (bicubic) to cover `size`, then cut centrally."""
    height, width = size
    scale = max(height / frame.height, width / frame.width)
    tall, wide = max(height, round(frame.height * scale)), max(width, round(frame.width * scale))
    pixels = frame.to_ndarray(format="rgb24", width=wide, height=tall, interpolation="BICUBIC")
    top, left = (tall - height) // 2, (wide - width) // 2
    return np.asarray(pixels[top : top + height, left : left + width], dtype=np.uint8)


def _thumbnail(frame: VideoFrame) -> np.typing.NDArray[np.float32]:
    height, width = THUMBNAIL
    luma = frame.to_ndarray(format="gray", width=width, height=height, interpolation="AREA")
    return luma.astype(np.float32)
