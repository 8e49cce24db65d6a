"""Decode clips from a folder of video files into a cache (PyAV, that is FFmpeg)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from tempo.data.cache.shards import ShardWriter
from tempo.data.cache.splits import SPLITS, EarlierDigest, ShardPlan, SplitName, SplitPlan
from tempo.data.clips import Pixels
from tempo.data.datasets.footage import (
    Frame,
    any_time,
    by_split,
    digest_of,
    media_below,
    needed,
    plan_sources,
    shard_name,
    write_clips,
)
from tempo.data.fingerprints import Fingerprints
from tempo.data.video_io.picture_files import shape_problem
from tempo.data.video_io.video_length import missing_part
from tempo.data.video_io.video_orientation import STORED, orientation
from tempo.data.video_io.video_reader import thumbnail
from tempo.spec.data import Video
from tempo.spec.options import Options

VERSION = 3
"""Raised when the same file and options would give other clips."""

TURNED_ONLY = (
    "were turned as their films are shown but not mirrored: its numbers hold unless a film is "
    "stored mirrored"
)
"""What is said of results of version 2."""

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".y4m")

FRAME_BYTES = 10_000
"""About what a compressed frame takes; only progress bars use it."""

TRANSFERS = {16: "PQ (SMPTE 2084)", 18: "HLG (ARIB STD-B67)"}
"""Transfer characteristics (ITU-T H.273) of high dynamic range."""

STEADY = 1.5
"""The longest distance of two frames may be this many times the shortest. Timestamps in whole
milliseconds at 60 frames a second reach 1.06."""


def check_available(options: Options, splits: Sequence[SplitName] = SPLITS) -> None:
    """Raise MissingError unless the files are there and each of `splits` has some."""
    assert isinstance(options, Video)
    files_by_split(options, splits)


def sources(options: Options, split: SplitName) -> Iterable[Path]:
    """Return the files of a split, whatever way leads to them."""
    assert isinstance(options, Video)
    return (file.resolve() for file in files_by_split(options, (split,))[split].values())


def find_files(options: Video) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Return the video files under the root, sorted, by path relative to it with slashes, and what
    lies there and is no such file."""
    root, found = media_below(options, "the folder of videos", "video file", SUFFIXES)
    return {file.relative_to(root).as_posix(): file for file in found.files}, found.left_out


def files_by_split(
    options: Video, needed: Sequence[SplitName] = SPLITS
) -> dict[SplitName, dict[str, Path]]:
    """Return the files of each split, see `tempo.data.datasets.footage.by_split`.

    Raises:
        MissingError: no files, a named file that is not there, or too few for `needed`.
    """
    return _split(find_files(options)[0], options, needed)


def _split(
    files: dict[str, Path], options: Video, needed: Sequence[SplitName]
) -> dict[SplitName, dict[str, Path]]:
    return by_split(files, options, "video file", needed, options.test_share)


def plan_split(options: Options, split: SplitName, cache: Path) -> SplitPlan:
    """Plan one shard for each file, named by its content (see `open_dataset.DatasetModule`)."""
    assert isinstance(options, Video)
    found, left_out = find_files(options)
    files = _split(found, options, (split,))[split]
    contents = dict(zip(files, Fingerprints(cache).of(list(files.values())), strict=True))
    shards = (
        ShardPlan(
            name=shard_name(options, name, contents[name], VERSION, split),
            size=options.size,
            clips=_guess(options, file),
            fill=partial(_fill, options=options, name=name, file=file, split=split),
        )
        for name, file in files.items()
    )
    before = [shard_name(options, name, content, 2, split) for name, content in contents.items()]
    earlier = EarlierDigest(digest_of(split, 2, before), TURNED_ONLY)
    return plan_sources(split, VERSION, shards, left_out, earlier)


def _guess(options: Video, file: Path) -> int:
    """Return a guess of the file's number of clips; only progress bars use it."""
    frames = file.stat().st_size // FRAME_BYTES
    return max(1, min(frames // options.every, options.limit or frames))


def _fill(writer: ShardWriter, options: Video, name: str, file: Path, split: SplitName) -> None:
    facts = StreamFacts()

    def broken(reason: str) -> None:
        facts.broken = True
        writer.count("broken files")
        writer.notes.append(f"{name}: cannot be decoded to its end ({reason})")

    frames = decode(file, options, facts, any_time=any_time(options, split))
    write_clips(writer, options, name, _readable(frames, broken), split)
    if not facts.broken:
        facts.missing = missing_part(file)
    for kind, note in facts.notes():
        writer.count(f"{kind} files")
        writer.notes.append(f"{name}: {note}")


def _readable(frames: Iterator[Frame], broken: Callable[[str], None]) -> Iterator[Frame]:
    """Yield the frames up to the first that cannot be decoded.

    One bad file must not stop a study over thousands; what was read before it stays.
    """
    try:
        yield from frames
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        broken(getattr(error, "strerror", None) or str(error))


def decode(
    file: Path, options: Video, facts: StreamFacts | None = None, *, any_time: bool = False
) -> Iterator[Frame]:
    """Yield the frames of a file in order of presentation, upright, 8 bits a channel.

    `facts` sees every frame. With `any_time` all frames between a clip's anchors are needed.

    Raises:
        av.FFmpegError, OSError: when the file is not a video, breaks off, or has pictures that are
            too large or strips.
    """
    facts = facts or StreamFacts()
    with av.open(str(file), metadata_errors="replace") as container:
        if not container.streams.video:
            raise OSError(f"{file} holds no picture")
        stream = container.streams.video[0]
        if problem := shape_problem(stream.width, stream.height):
            raise OSError(f"each of its pictures {problem}")
        stream.thread_type = "AUTO"
        for number, frame in enumerate(container.decode(stream)):
            facts.see(frame)
            wanted = needed(number, options.stride, options.every, any_time=any_time)
            yield Frame(
                number=number,
                time=frame.time,
                thumbnail=thumbnail(frame),
                pixels=cover(frame, options.size) if wanted else None,
            )


def cover(frame: VideoFrame, size: tuple[int, int]) -> Pixels:
    """Return the frame, scaled (bicubic) to cover `size` and cut centrally: uint8 RGB [H, W, 3].

    Its metadata say how it is turned, in quarter turns, and mirrored.
    """
    shown = orientation(frame)
    height, width = shown.size(*size)
    scale = max(height / frame.height, width / frame.width)
    tall, wide = max(height, round(frame.height * scale)), max(width, round(frame.width * scale))
    pixels = frame.to_ndarray(format="rgb24", width=wide, height=tall, interpolation="BICUBIC")
    top, left = (tall - height) // 2, (wide - width) // 2
    cut = np.asarray(pixels[top : top + height, left : left + width], dtype=np.uint8)
    return shown.upright(cut)


class StreamFacts:
    """Collect a video stream's properties frame by frame; `notes` lists what is unusual."""

    def __init__(self) -> None:
        self.frames = 0
        self.broken = False
        self.missing: str | None = None
        self.interlaced = 0
        self.untimed = 0
        self.shortest = float("inf")
        self.longest = 0.0
        self.backwards = 0
        self.shown = STORED
        self.bits = 8
        self.form = ""
        self.transfer: int = 0
        self._time: float | None = None

    def see(self, frame: VideoFrame) -> None:
        """Add one frame, in order of presentation."""
        self.frames += 1
        self.interlaced += bool(frame.interlaced_frame)
        if (shown := orientation(frame)) is not STORED:
            self.shown = shown
        self.bits = max(self.bits, *(part.bits for part in frame.format.components))
        self.form = frame.format.name
        self.transfer = int(frame.color_trc or 0)
        if frame.time is None:
            self.untimed += 1
            return
        if self._time is not None:
            gap = frame.time - self._time
            self.backwards += gap <= 0
            self.shortest, self.longest = min(self.shortest, gap), max(self.longest, gap)
        self._time = frame.time

    def notes(self) -> Iterator[tuple[str, str]]:
        """Yield (kind, sentence) for each unusual property."""
        if self.frames and self.frames < 3:
            yield "short", f"{self.frames} frames, and a clip needs at least 3"
        if self.missing:
            yield "truncated", self.missing
        if self.shown.note:
            yield "rotated", self.shown.note
        if self.bits > 8:
            yield "high bit depth", f"{self.form} has {self.bits} bits, brought to 8"
        if self.transfer in TRANSFERS:
            told = TRANSFERS[self.transfer]
            yield "HDR", f"{told} brought to 8 bits as it is, without tone mapping"
        if self.interlaced:
            told = f"{self.interlaced} of {self.frames} frames"
            yield "interlaced", f"{told} are interlaced and used as they are: expect combs"
        if self.untimed:
            yield "untimed", f"{self.untimed} frames have no timestamp: taken as evenly spaced"
        elif self.backwards:
            yield "unordered", f"timestamps do not rise at {self.backwards} frames"
        elif self.longest > STEADY * self.shortest:
            told = f"{1000 * self.shortest:.1f} to {1000 * self.longest:.1f} ms"
            yield "variable rate", f"frames are {told} apart; times are by timestamp"
