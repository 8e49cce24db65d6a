"""Count the frames of a video file, and tell whether it ends before its header says it does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

SPARE = 2
"""Frames that a header may promise beyond those that are there: AVI counts one that an encoder held
back."""

ESTIMATE = Fraction(1)
"""Seconds by which the duration of a whole file may be wrong: recorders measure it by the clock."""

MOV, AVI = "mov,mp4", "avi"
"""Containers that list their frames: how FFmpeg's names for them begin."""

TIMED = ("matroska", "flv")
"""Containers whose duration stands in the header; that of others is found from what is there."""

_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoLength:
    """The number of frames to be shown, and what is `missing` by the header, None for nothing.

    `listed`: the container lists its frames, so that as many must be decoded.
    """

    frames: int
    missing: str | None
    listed: bool


def picture_stream(container: InputContainer) -> VideoStream | None:
    """Return the first stream of moving pictures; the picture of a cover is none."""
    moving = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    return next(moving, None)


def frame_rate(stream: VideoStream) -> Fraction:
    """Return the mean frames a second, 25 where the file does not tell."""
    return stream.average_rate or stream.guessed_rate or Fraction(25)


class LengthCounter:
    """Sees each packet of a file once; nothing needs to be decoded."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        self._packets = self._shown = 0
        self._reached = Fraction(0)
        self._film = Fraction(0)
        self._last: Fraction | None = None
        self._longest = Fraction(0)

    def see(self, packet: Packet[Any]) -> None:
        """Count one packet of any stream."""
        if packet.pts is None and not packet.size:
            return
        film = packet.stream is self._stream
        if film and not packet.is_corrupt:
            self._packets += 1
            self._shown += not packet.is_discard
        if packet.pts is None or not packet.time_base:
            return
        start = packet.pts * packet.time_base
        end = start + (packet.duration or 0) * packet.time_base
        self._reached = max(self._reached, end)
        if film:
            self._film = max(self._film, end)
            if self._last is not None:
                self._longest = max(self._longest, abs(start - self._last))
            self._last = start

    def length(self) -> VideoLength:
        """Return what was counted, once all packets were seen."""
        return VideoLength(
            frames=self._shown,
            missing=self._missing(),
            listed=self._container.format.name.startswith((MOV, AVI)),
        )

    def _missing(self) -> str | None:
        kind = self._container.format.name
        if kind.startswith(MOV):
            # As the edit list leaves it: a film trimmed in a phone holds more than it shows.
            listed = len(self._stream.index_entries)
            if self._packets < listed:
                return f"{self._packets} frames are there of {listed} in its header"
            return _sound_beyond(self._container)
        spare = max(SPARE / frame_rate(self._stream), self._longest)
        own = _ticks(self._stream) if kind.startswith(AVI) else _tagged(self._stream)
        if own is not None:
            return _short(self._film, own, spare)
        if self._container.duration is None or not kind.startswith(TIMED):
            return None
        promised = Fraction(self._container.duration, 1_000_000)
        return _short(self._reached, promised, max(spare, ESTIMATE))


def _sound_beyond(container: InputContainer) -> str | None:
    """Return what is missing of the sound of MP4 and MOV: the packets whose place is beyond the
    end. They are not counted, because parsers may divide them."""
    for stream in container.streams.audio:
        beyond = sum(entry.pos + entry.size > container.size for entry in stream.index_entries)
        if beyond:
            there = len(stream.index_entries) - beyond
            return f"{there} packets of sound are there of {there + beyond} in its header"
    return None


def _ticks(stream: VideoStream) -> Fraction | None:
    """Return the end of a stream in AVI, which counts a frame for each tick, also where the one
    before stays; FFmpeg corrects its `duration` by what is there."""
    return stream.frames * stream.time_base if stream.frames and stream.time_base else None


def _tagged(stream: VideoStream) -> Fraction | None:
    """Return the end of a stream by Matroska's tag for it."""
    tags = {key.split("-")[0].upper(): value for key, value in stream.metadata.items()}
    found = _CLOCK.fullmatch(tags.get("DURATION", ""))
    if found is None:
        return None
    return 3600 * int(found[1]) + 60 * int(found[2]) + Fraction(found[3])


def _short(there: Fraction, promised: Fraction, spare: Fraction) -> str | None:
    if there + spare >= promised:
        return None
    return f"{float(there):.2f} s are there of {float(promised):.2f} s in its header"


def missing_part(path: Path) -> str | None:
    """Return what is missing of a video by its header; None where it is whole or does not tell.

    All packets are read and none is decoded.

    Raises:
        av.FFmpegError, OSError: when it cannot be opened or read.
    """
    with av.open(str(path), metadata_errors="replace") as container:
        stream = picture_stream(container)
        if stream is None:
            return None
        counter = LengthCounter(container, stream)
        for packet in container.demux():
            counter.see(packet)
        return counter.length().missing
