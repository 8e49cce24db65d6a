"""Read a video frame by frame at full size (PyAV)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

from tempo.core.errors import MissingError
from tempo.data.clips import Pixels
from tempo.data.video_io.picture_files import THUMBNAIL
from tempo.data.video_io.video_description import VideoInfo, describe, open_video, reason
from tempo.data.video_io.video_length import SPARE, picture_stream
from tempo.data.video_io.video_orientation import STORED

EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
"""How colours are converted: swscale's default truncates, which darkens by a level there and back
again."""

GO_ON = "--allow-truncated (in Python allow_truncated=True)"

CopyPacket = Callable[["Packet[Any]"], None]
"""Takes packets of sound, subtitles and other streams as they come by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedFrame:
    """Hold a frame as shown: uint8 RGB [H, W, 3], its time in units of the video's time base, and
    its thumbnail (`tempo.data.video_io.picture_files.THUMBNAIL`)."""

    pixels: Pixels
    pts: int
    thumbnail: npt.NDArray[np.float32]


class VideoReader:
    """Read the first video stream of a file, in order of presentation, once.

    `notes` are sentences on what a reader should know; those on frames that cannot be decoded are
    there when all were asked for.
    """

    def __init__(
        self, path: Path, container: InputContainer, info: VideoInfo, *, allow_truncated: bool
    ) -> None:
        stream = picture_stream(container)
        assert stream is not None
        self.path, self.container, self.info, self.stream = path, container, info, stream
        self.stream.thread_type = "AUTO"
        self.notes = list(info.notes)
        self._allow_truncated = allow_truncated
        self._number = 0
        self._damaged: list[str] = []
        if info.length.missing:
            self._broken(f"breaks off: {info.length.missing}")

    def frames(self, copy: CopyPacket) -> Iterator[DecodedFrame]:
        """Yield every frame; packets of other streams are handed to `copy` as they come by.

        Times rise strictly: a time that is missing or does not rise follows the one before by the
        mean distance of frames.

        Raises:
            MissingError: when a frame cannot be decoded, unless a truncated video is allowed.
        """
        step = max(1, round(1 / (self.info.rate * self.info.time_base)))
        last: int | None = None
        for frame in self._decoded(copy):
            last = _rising(frame.pts, last, step)
            yield self._shown(frame, last)
            self._number += 1
        self._note_missing()

    def _note_missing(self) -> None:
        expected, there = self.info.length.frames, self._number
        if self._damaged:
            self.notes.append(
                f"{len(self._damaged)} packets of the source cannot be decoded, the first after "
                f"{self._damaged[0]}; what is shown at their times is made of the frames around"
            )
        elif self.info.length.listed and there + SPARE < expected:
            self.notes.append(
                f"{expected - there} of the {expected} frames of the source could not be decoded; "
                "what is shown at their times is made of the frames around"
            )

    def _broken(self, what: str, cause: Exception | None = None) -> None:
        """Refuse a video that is not whole, or note it where that is allowed."""
        if not self._allow_truncated:
            raise MissingError(
                f"{self.path} {what}; copy it again, or go on with what is there by {GO_ON}"
            ) from cause
        self.notes.append(f"the source {what}")

    def _decoded(self, copy: CopyPacket) -> Iterator[VideoFrame]:
        packets = self.container.demux()
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                self._broken(f"cannot be read beyond frame {self._number} ({reason(error)})", error)
                return
            if packet is None:
                return
            if packet.stream is self.stream:
                yield from self._frames_of(packet)
            elif packet.size:
                copy(packet)

    def _frames_of(self, packet: Packet[Any]) -> list[VideoFrame]:
        """Decode a packet; one that is damaged has no frames where a truncated video is allowed."""
        try:
            return self.stream.decode(packet)
        except (av.FFmpegError, OSError) as error:
            where = f"frame {self._number} ({reason(error)})"
            if not self._allow_truncated:
                self._broken(f"cannot be decoded beyond {where}", error)
            self._damaged.append(where)
            return []

    def _shown(self, frame: VideoFrame, pts: int) -> DecodedFrame:
        whole = frame.to_ndarray(format="rgb24", interpolation=EXACT)
        pixels = np.asarray(whole, dtype=np.uint8)
        if self.info.orientation is not STORED:
            pixels = self.info.orientation.upright(pixels)
        return DecodedFrame(pixels=pixels, pts=pts, thumbnail=thumbnail(frame))


def _rising(pts: int | None, last: int | None, step: int) -> int:
    if last is None:
        return pts or 0
    return pts if pts is not None and pts > last else last + step


def thumbnail(frame: VideoFrame) -> npt.NDArray[np.float32]:
    """Return the luma of a frame, as stored, at the size `THUMBNAIL`, float32, 0 to 255."""
    height, width = THUMBNAIL
    luma = frame.to_ndarray(format="gray", width=width, height=height, interpolation="AREA")
    return luma.astype(np.float32)


@contextmanager
def reading(path: Path, *, allow_truncated: bool = False) -> Iterator[VideoReader]:
    """Open a video, which is described first.

    It is opened twice: to go back to the beginning loses packets of sound before time 0, and raw
    streams cannot do it.

    Raises:
        MissingError: when there is no such file, none that FFmpeg can read, or it ends before its
            header says so, unless `allow_truncated`.
    """
    info = describe(path)
    with open_video(path) as container:
        yield VideoReader(path, container, info, allow_truncated=allow_truncated)
