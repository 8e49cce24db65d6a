"""Describe a video by its metadata, its first frame and its packets, before it is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tempo.core.errors import MissingError
from tempo.data.video_io.video_length import (
    LengthCounter,
    VideoLength,
    frame_rate,
    picture_stream,
)
from tempo.data.video_io.video_orientation import Orientation, orientation

HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """Describe a video by its metadata; sizes are as shown, after its rotation.

    `colour` is (space, range, primaries, transfer), FFmpeg's numbers; `chroma` is how finely colour
    is stored, "4:2:0", "4:2:2" or "4:4:4". `notes` are sentences on what a reader should know: HDR,
    interlacing, rotation.
    """

    size: tuple[int, int]
    rate: Fraction
    time_base: Fraction
    length: VideoLength
    pixel_aspect: Fraction | None
    colour: tuple[int, int, int, int]
    rgb: bool
    chroma: str
    orientation: Orientation
    notes: tuple[str, ...]


def describe(path: Path) -> VideoInfo:
    """Describe a video; its first frame is decoded and all of its packets are counted.

    Raises:
        MissingError: when there is no such file, none that FFmpeg can read, or it holds no picture.
    """
    with open_video(path) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MissingError(f"{path} holds no moving picture")
        first, length = _first_and_length(path, container, stream)
        return _info(stream, first, length)


def open_video(path: Path) -> InputContainer:
    """Open a video file; tags that are no UTF-8 are read as far as they are.

    Raises:
        MissingError: when there is no such file, or none that FFmpeg can read.
    """
    if path.exists() and not path.is_file():
        raise MissingError(f"cannot read the video {path}: it is no regular file")
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, OSError) as error:
        raise MissingError(f"cannot read the video {path} ({reason(error)})") from error


def reason(error: Exception) -> str:
    """Return what went wrong, without the number of the error."""
    return str(getattr(error, "strerror", None) or error)


def _first_and_length(
    path: Path, container: InputContainer, stream: VideoStream
) -> tuple[VideoFrame, VideoLength]:
    counter = LengthCounter(container, stream)
    first: VideoFrame | None = None
    problem: Exception | None = None
    try:
        for packet in container.demux():
            counter.see(packet)
            if first is None and packet.stream is stream:
                first = next(iter(stream.decode(packet)), None)
    except (av.FFmpegError, OSError) as error:
        # Beyond the first frame this is met again, and told, when the film is decoded.
        problem = error
    if first is None:
        why = f" ({reason(problem)})" if problem else ""
        raise MissingError(f"{path}: not one frame can be decoded{why}") from problem
    return first, counter.length()


def _info(stream: VideoStream, first: VideoFrame, length: VideoLength) -> VideoInfo:
    shown = orientation(first)
    aspect = stream.sample_aspect_ratio
    if shown.exchanged and aspect:
        aspect = 1 / aspect
    assert stream.time_base is not None
    chroma = _chroma(first.format)
    return VideoInfo(
        size=shown.size(first.height, first.width),
        rate=frame_rate(stream),
        time_base=stream.time_base,
        length=length,
        pixel_aspect=aspect if aspect and aspect != 1 else None,
        colour=(first.colorspace, first.color_range, first.color_primaries, first.color_trc),
        rgb=first.format.is_rgb,
        chroma=chroma,
        orientation=shown,
        notes=tuple(_notes(first, chroma, shown)),
    )


def _chroma(layout: VideoFormat) -> str:
    """Return how finely colour is stored: the coarsest of three that loses nothing."""
    if layout.is_rgb:
        return "4:4:4"
    if len(layout.components) < 3:
        return "4:2:0"
    wide, tall = layout.chroma_width(16) > 8, layout.chroma_height(16) > 8
    return "4:4:4" if wide else "4:2:2" if tall else "4:2:0"


def _notes(frame: VideoFrame, chroma: str, shown: Orientation) -> Iterator[str]:
    if frame.color_trc in HDR_TRANSFERS:
        yield (
            f"the source is HDR ({HDR_TRANSFERS[frame.color_trc]}): it is cut to 8 bit without "
            "tone mapping"
        )
    elif frame.format.components[0].bits > 8:
        yield f"the source has {frame.format.components[0].bits} bits a sample, cut to 8"
    if frame.interlaced_frame:
        yield "the source is interlaced: its fields are taken for one frame"
    if frame.format.is_rgb:
        yield "the source is stored as RGB: it is written as 4:4:4 by the matrix of BT.709"
    elif chroma != "4:2:0":
        yield f"the source has {chroma} colour, which is kept; some players show 4:2:0 only"
    if len(frame.format.components) in (2, 4):
        yield "the source has transparency, which is dropped"
    if shown.note:
        yield shown.note
