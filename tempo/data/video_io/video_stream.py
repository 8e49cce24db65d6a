"""Read a video frame by frame at full size, and write one with the source's sound (PyAV)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from tempo.core.errors import MissingError
from tempo.data.clips import Pixels
from tempo.data.video_io.picture_files import THUMBNAIL

ENCODERS = {
    ".mp4": "libx264",
    ".m4v": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".webm": "libvpx-vp9",
}
"""What pictures are encoded with, by the suffix of the file."""

ELSEWHERE = "another container may take it: try .mkv"

FULL_RANGE = 2
"""AVCOL_RANGE_JPEG of FFmpeg."""
SCALER_SPACES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""FFmpeg's AVColorSpace to swscale's number for its matrix; anything else is swscale's default."""
SCALER_DEFAULT = 5
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}

EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
"""How colours are converted: swscale's default truncates, which darkens by a level there and back
again."""

Sound = Callable[["Packet[Any]"], None]
"""Takes packets of sound as they come by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """Describe a video by its metadata; sizes are as shown, after its rotation.

    `frames` is the number of frames as far as the file tells, None where it does not.
    `colour` is (space, range, primaries, transfer), FFmpeg's numbers. `notes` are sentences on
    what a reader should know: HDR, interlacing, rotation.
    """

    size: tuple[int, int]
    rate: Fraction
    time_base: Fraction
    frames: int | None
    pixel_aspect: Fraction | None
    colour: tuple[int, int, int, int]
    rotation: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedFrame:
    """Hold a frame as shown: uint8 RGB [H, W, 3], its time in units of the video's time base, and
    its thumbnail (`tempo.data.video_io.picture_files.THUMBNAIL`)."""

    pixels: Pixels
    pts: int
    thumbnail: npt.NDArray[np.float32]


class VideoReader:
    """Read the first video stream of a file, in order of presentation."""

    def __init__(self, path: Path, container: InputContainer) -> None:
        if not container.streams.video:
            raise MissingError(f"{path} holds no picture")
        self.path, self.container = path, container
        self.stream: VideoStream = container.streams.video[0]
        self.stream.thread_type = "AUTO"
        self.info = _describe(path, container, self.stream)

    def frames(self, sound: Sound) -> Iterator[DecodedFrame]:
        """Yield every frame; packets of sound are handed to `sound` as they come by.

        Times rise strictly: a time that is missing or does not rise follows the one before by the
        mean distance of frames.

        Raises:
            MissingError: when the file breaks off.
        """
        step = max(1, round(1 / (self.info.rate * self.info.time_base)))
        last: int | None = None
        number = 0
        try:
            for frame in self._decoded(sound):
                last = _rising(frame.pts, last, step)
                yield _shown(frame, last, self.info.rotation)
                number += 1
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MissingError(
                f"{self.path} cannot be decoded beyond frame {number} ({reason})"
            ) from error

    def _decoded(self, sound: Sound) -> Iterator[VideoFrame]:
        wanted = [self.stream, *self.container.streams.audio]
        for packet in self.container.demux(*wanted):
            if packet.stream is self.stream:
                yield from self.stream.decode(packet)
            elif packet.dts is not None:
                sound(packet)


def _rising(pts: int | None, last: int | None, step: int) -> int:
    if last is None:
        return pts or 0
    return pts if pts is not None and pts > last else last + step


def thumbnail(frame: VideoFrame) -> npt.NDArray[np.float32]:
    """Return the luma of a frame, as stored, at the size `THUMBNAIL`, float32, 0 to 255."""
    height, width = THUMBNAIL
    luma = frame.to_ndarray(format="gray", width=width, height=height, interpolation="AREA")
    return luma.astype(np.float32)


def _shown(frame: VideoFrame, pts: int, rotation: int) -> DecodedFrame:
    whole = frame.to_ndarray(format="rgb24", interpolation=EXACT)
    pixels = np.asarray(whole, dtype=np.uint8)
    upright = np.ascontiguousarray(np.rot90(pixels, rotation // 90)) if rotation else pixels
    return DecodedFrame(pixels=upright, pts=pts, thumbnail=thumbnail(frame))


def _describe(path: Path, container: InputContainer, stream: VideoStream) -> VideoInfo:
    """Describe a video by its metadata and its first frame, which is decoded, then rewound."""
    try:
        first = next(container.decode(stream))
        container.seek(0)
    except (StopIteration, av.FFmpegError, OSError) as error:
        raise MissingError(f"{path}: not one frame can be decoded ({error!r})") from error
    rotation = round(first.rotation / 90) * 90 % 360
    height, width = first.height, first.width
    aspect = stream.sample_aspect_ratio
    if rotation in (90, 270):
        height, width = width, height
        aspect = 1 / aspect if aspect else aspect
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    assert stream.time_base is not None
    return VideoInfo(
        size=(height, width),
        rate=rate,
        time_base=stream.time_base,
        frames=_expected(container, stream, rate),
        pixel_aspect=aspect or None,
        colour=(first.colorspace, first.color_range, first.color_primaries, first.color_trc),
        rotation=rotation,
        notes=tuple(_notes(first, rotation)),
    )


def _expected(container: InputContainer, stream: VideoStream, rate: Fraction) -> int | None:
    if stream.frames:
        return stream.frames
    if stream.duration is not None and stream.time_base is not None:
        return round(stream.duration * stream.time_base * rate)
    return None if container.duration is None else round(container.duration / 1e6 * rate)


def _notes(frame: VideoFrame, rotation: int) -> Iterator[str]:
    if frame.color_trc in HDR_TRANSFERS:
        yield (
            f"the source is HDR ({HDR_TRANSFERS[frame.color_trc]}): it is cut to 8 bit without "
            "tone mapping"
        )
    elif frame.format.components[0].bits > 8:
        yield f"the source has {frame.format.components[0].bits} bits a sample, cut to 8"
    if frame.interlaced_frame:
        yield "the source is interlaced: its fields are taken for one frame"
    if rotation:
        yield f"the source is turned by {rotation} degrees; the result is written upright"


@contextmanager
def reading(path: Path) -> Iterator[VideoReader]:
    """Open a video.

    Raises:
        MissingError: when there is no such file, or none that FFmpeg can read.
    """
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MissingError(f"cannot read the video {path} ({reason})") from error
    with container:
        yield VideoReader(path, container)


class VideoWriter:
    """Encode pictures, with the sound of `source` copied packet by packet.

    Pictures come as uint8 RGB [H, W, 3] of `source`'s size, with times in `time_base`. The colours
    are encoded as the source says its own are.
    """

    def __init__(
        self, container: OutputContainer, encoder: str, source: VideoReader, factor: int, crf: int
    ) -> None:
        self._container, self._info = container, source.info
        self.time_base = source.info.time_base / factor
        self._stream = _video_stream(container, encoder, source.info, factor, crf)
        self._stream.codec_context.time_base = self.time_base
        self._sound = _sound_streams(container, source)

    def write(self, pixels: Pixels, pts: int) -> None:
        """Encode a picture that is shown from `pts` on."""
        space, span, primaries, transfer = self._info.colour
        frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format=self._stream.pix_fmt,
            dst_colorspace=SCALER_SPACES.get(space, SCALER_DEFAULT),
            dst_color_range=span if span == FULL_RANGE else 1,
            interpolation=EXACT,
        )
        frame.colorspace, frame.color_range = space, span
        frame.color_primaries, frame.color_trc = primaries, transfer
        frame.pts, frame.time_base = pts, self.time_base
        self._container.mux(self._stream.encode(frame))

    def copy(self, packet: Packet[Any]) -> None:
        """Copy a packet of sound."""
        packet.stream = self._sound[packet.stream]
        self._container.mux(packet)

    def finish(self) -> None:
        """Write the frames that the encoder still buffers."""
        self._container.mux(self._stream.encode(None))


def _sound_streams(container: OutputContainer, source: VideoReader) -> dict[Any, Any]:
    try:
        sound = source.container.streams.audio
        return {each: container.add_stream_from_template(each) for each in sound}
    except ValueError as error:
        raise MissingError(
            f"{error}: the sound of {source.path} is copied as it is; {ELSEWHERE}"
        ) from error


def _video_stream(
    container: OutputContainer, encoder: str, info: VideoInfo, factor: int, crf: int
) -> VideoStream:
    options = {"crf": str(crf)} | ({"b": "0"} if encoder == "libvpx-vp9" else {})
    stream: Any = container.add_stream(encoder, rate=info.rate * factor, options=options)
    stream.height, stream.width = info.size
    even = not any(side % 2 for side in info.size)
    stream.pix_fmt = "yuv420p" if even else "yuv444p"
    context = stream.codec_context
    context.colorspace, context.color_range = info.colour[:2]
    context.color_primaries, context.color_trc = info.colour[2:]
    if info.pixel_aspect:
        context.sample_aspect_ratio = info.pixel_aspect
    return stream  # type: ignore[no-any-return]


@contextmanager
def writing(path: Path, source: VideoReader, factor: int, crf: int) -> Iterator[VideoWriter]:
    """Write a video of `factor` times the frames; it appears at `path` once it is whole.

    Raises:
        MissingError: when the container or its codecs cannot be written, naming what can.
    """
    suffix = path.suffix.lower()
    if suffix not in ENCODERS:
        raise MissingError(
            f"cannot write {path}: the suffix of the output says its format, one of "
            f"{', '.join(ENCODERS)}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{suffix}")
    try:
        with av.open(str(temporary), "w") as container:
            writer = VideoWriter(container, ENCODERS[suffix], source, factor, crf)
            yield writer
            writer.finish()
        temporary.replace(path)
    except av.FFmpegError as error:
        raise MissingError(f"cannot write {path} ({error}); {ELSEWHERE}") from error
    finally:
        temporary.unlink(missing_ok=True)
