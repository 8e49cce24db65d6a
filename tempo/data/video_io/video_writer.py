"""Write a video with the sound and labels of its source (PyAV), whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tempo.core.errors import MissingError
from tempo.data.clips import Pixels
from tempo.data.video_io.carried_streams import ELSEWHERE, CarriedStreams
from tempo.data.video_io.video_description import VideoInfo
from tempo.data.video_io.video_labels import ANDROID, APPLE, timecode
from tempo.data.video_io.video_reader import EXACT, VideoReader

ENCODERS = {
    ".mp4": "libx264",
    ".m4v": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".webm": "libvpx-vp9",
}
"""What pictures are encoded with, by the suffix of the file."""

LAYOUTS = {"4:2:0": "yuv420p", "4:2:2": "yuv422p", "4:4:4": "yuv444p"}

BT709, UNSPECIFIED = 1, 2
"""AVCOL_SPC_BT709 and AVCOL_SPC_UNSPECIFIED of FFmpeg."""
LIMITED_RANGE, FULL_RANGE = 1, 2
"""AVCOL_RANGE_MPEG and AVCOL_RANGE_JPEG of FFmpeg."""
SCALER_SPACES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""FFmpeg's AVColorSpace to swscale's number for its matrix; anything else is swscale's default."""
SCALER_DEFAULT = 5


class VideoWriter:
    """Encode pictures, with the other streams of `source` copied packet by packet.

    Pictures come as uint8 RGB [H, W, 3] of `source`'s size, with times in `time_base`. The colours
    are encoded as the source says its own are. `notes` are sentences on what is left out; they are
    whole when the file is.
    """

    def __init__(
        self, container: OutputContainer, encoder: str, source: VideoReader, factor: int, crf: int
    ) -> None:
        info = source.info
        self._container = container
        self.time_base = info.time_base / factor
        self._colour = _colour(info)
        self._size, scaled = _size(info, container.format.name)
        self._stream = _video_stream(container, encoder, info.rate * factor, crf)
        self._set_up(info)
        self.carried = CarriedStreams(container, source.container, source.stream, self._stream)
        self.notes = self.carried.notes
        if scaled:
            self.notes.append(scaled)
        code = timecode(source.container, source.stream, factor, info.rate * factor)
        if code is not None:
            self._stream.metadata["timecode"] = code

    def _set_up(self, info: VideoInfo) -> None:
        stream: Any = self._stream
        stream.height, stream.width = self._size
        even = not any(side % 2 for side in self._size)
        stream.pix_fmt = LAYOUTS[info.chroma if even else "4:4:4"]
        context = stream.codec_context
        context.time_base = self.time_base
        context.colorspace, context.color_range = self._colour[:2]
        context.color_primaries, context.color_trc = self._colour[2:]
        if info.pixel_aspect and self._size == info.size:
            context.sample_aspect_ratio = info.pixel_aspect

    def write(self, pixels: Pixels, pts: int) -> None:
        """Encode a picture that is shown from `pts` on."""
        space, span, primaries, transfer = self._colour
        height, width = self._size
        frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            width=width,
            height=height,
            format=self._stream.pix_fmt,
            dst_colorspace=SCALER_SPACES.get(space, SCALER_DEFAULT),
            dst_color_range=span if span == FULL_RANGE else LIMITED_RANGE,
            interpolation=EXACT,
        )
        frame.colorspace, frame.color_range = space, span
        frame.color_primaries, frame.color_trc = primaries, transfer
        frame.pts, frame.time_base = pts, self.time_base
        self._container.mux(self._stream.encode(frame))

    def copy(self, packet: Packet[Any]) -> None:
        """Copy a packet of another stream."""
        self.carried.copy(packet)

    def finish(self) -> None:
        """Write the frames that the encoder still buffers."""
        self._container.mux(self._stream.encode(None))


def _colour(info: VideoInfo) -> tuple[int, int, int, int]:
    """Return the colours to encode: those of the source, with a matrix that can be written."""
    space, span, primaries, transfer = info.colour
    if info.rgb:
        return BT709, LIMITED_RANGE, primaries, transfer
    known = space in SCALER_SPACES or space == UNSPECIFIED
    return space if known else BT709, span, primaries, transfer


def _size(info: VideoInfo, container: str) -> tuple[tuple[int, int], str | None]:
    """Return the (height, width) to write, and a note where it is not the source's.

    A .webm file that is written here cannot say that pixels are not square, so that pictures are
    enlarged to square ones.
    """
    aspect = info.pixel_aspect
    if aspect is None or container != "webm":
        return info.size, None
    height, width = info.size
    if aspect > 1:
        width = 2 * round(width * aspect / 2)
    else:
        height = 2 * round(height / aspect / 2)
    note = (
        f"the pixels of the source are {aspect.numerator}:{aspect.denominator}, which .webm does "
        f"not say: pictures are enlarged to {width}x{height} with square ones; .mkv keeps them"
    )
    return (height, width), note


def _video_stream(
    container: OutputContainer, encoder: str, rate: Fraction, crf: int
) -> VideoStream:
    options = {"crf": str(crf)} | ({"b": "0"} if encoder == "libvpx-vp9" else {})
    stream: Any = container.add_stream(encoder, rate=rate, options=options)
    return stream  # type: ignore[no-any-return]


def _container_options(source: VideoReader, suffix: str) -> dict[str, str]:
    """Return the options by which MP4 and MOV keep the tags of telephones, where there are some."""
    keys = source.container.metadata
    phone = any(key.lower().startswith((APPLE, ANDROID)) for key in keys)
    return {"movflags": "use_metadata_tags"} if phone and suffix in (".mp4", ".mov", ".m4v") else {}


@contextmanager
def writing(path: Path, source: VideoReader, factor: int, crf: int) -> Iterator[VideoWriter]:
    """Write a video of `factor` times the frames; it appears at `path` once it is whole.

    Raises:
        MissingError: when the container or its codecs cannot be written, naming what can.
    """
    suffix = path.suffix.lower()
    check_suffix(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{suffix}")
    options = _container_options(source, suffix)
    try:
        with av.open(str(temporary), "w", container_options=options) as container:
            writer = VideoWriter(container, ENCODERS[suffix], source, factor, crf)
            yield writer
            writer.finish()
        with av.open(str(temporary), metadata_errors="replace") as written:
            writer.carried.check(written)
        temporary.replace(path)
    except av.FFmpegError as error:
        raise MissingError(f"cannot write {path} ({error}); {ELSEWHERE}") from error
    finally:
        temporary.unlink(missing_ok=True)


def check_suffix(path: Path) -> None:
    """Refuse a file whose suffix names no format that can be written.

    Raises:
        MissingError: naming the formats.
    """
    suffix = path.suffix.lower()
    if suffix in ENCODERS:
        return
    gif = (
        "; a GIF has 256 colours and times of 1/100 s, so write a video and convert it"
        if suffix == ".gif"
        else ""
    )
    raise MissingError(
        f"cannot write {path}: the suffix of the output says its format, one of "
        f"{', '.join(ENCODERS)}{gif}"
    )
