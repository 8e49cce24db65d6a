"""Copy the sound, subtitles and attachments of a video packet by packet, beside new pictures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from tempo.core.errors import MissingError
from tempo.data.video_io.video_labels import label_film, label_stream, lost_labels, name_of

ELSEWHERE = "another container may take it: try .mkv"

RUN_UP = Fraction(1, 10)
"""Seconds before a sound is heard whose packets its decoder may need: AAC and Opus need 80 ms."""

EDITED = frozenset(("mp4", "mov", "ipod"))
"""Containers, by FFmpeg's names, that hide what comes before time 0 by an edit list."""


class CarriedStreams:
    """Copies every stream that a container takes, but for those of moving pictures.

    `notes` are sentences on what is left out. Sound that the container does not take is an error,
    because a film without its sound is another film.
    """

    def __init__(
        self, target: OutputContainer, source: InputContainer, picture: Stream, new: Stream
    ) -> None:
        self._target, self._source = target, source
        self._hides = target.format.name in EDITED
        self.notes: list[str] = []
        self._pairs: list[tuple[Stream, Stream]] = [(picture, new)]
        self._held: dict[Stream, list[Packet[Any]]] = {}
        self._untimed: set[Stream] = set()
        label_film(target, source)
        label_stream(new, picture)
        for stream in source.streams:
            if stream is not picture:
                self._add(stream)
        self._copies = dict(self._pairs[1:])

    def _add(self, stream: Stream) -> None:
        """Add a stream to the target, or a note why it is left out."""
        kind = stream.type
        cover = bool(stream.disposition & Disposition.attached_pic)
        if kind == "video" or not self._takes(stream):
            if not self._written_anew(stream):
                what = "cover picture" if cover else name_of(stream)
                self.notes.append(f"the {what} is left out")
            return
        try:
            new = self._target.add_stream_from_template(stream)
        except ValueError as error:
            if kind == "audio":
                raise MissingError(
                    f"{error}: the sound of {self._source.name} is copied as it is; {ELSEWHERE}"
                ) from error
            self.notes.append(f"the {name_of(stream)} is left out ({error}); {ELSEWHERE}")
            return
        if kind != "attachment":
            label_stream(new, stream)
        self._pairs.append((stream, new))

    def _takes(self, stream: Stream) -> bool:
        """Tell whether a kind of stream can be asked for; attachments are Matroska's alone."""
        if stream.type == "attachment":
            return self._target.format.name == "matroska"
        return stream.type in ("audio", "subtitle")

    def _written_anew(self, stream: Stream) -> bool:
        """Tell whether a stream of data holds a timecode or chapters, which are carried as such."""
        if stream.type != "data":
            return False
        chapters = stream.name == "bin_data" and bool(self._source.chapters())
        return chapters or "timecode" in stream.metadata

    def copy(self, packet: Packet[Any]) -> None:
        """Copy a packet, unless its stream is left out or it was cut off by an edit list.

        What is hidden before the first sound that is heard is copied where the target hides it too;
        elsewhere only what a decoder needs to run up.
        """
        stream = packet.stream
        if stream not in self._copies:
            return
        if packet.dts is None:
            packet.dts = packet.pts
        if packet.dts is None:
            self._untimed.add(stream)
        elif packet.is_discard and packet.pts is not None:
            self._held.setdefault(stream, []).append(packet)
        else:
            for each in self._run_up(packet):
                self._mux(each)

    def _run_up(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        for held in self._held.pop(packet.stream, ()):
            assert held.pts is not None and held.time_base is not None
            gap = ((packet.pts or 0) - held.pts - (held.duration or 0)) * held.time_base
            if self._hides or gap <= RUN_UP:
                yield held
        yield packet

    def _mux(self, packet: Packet[Any]) -> None:
        packet.stream = self._copies[packet.stream]
        self._target.mux(packet)

    def check(self, written: InputContainer) -> None:
        """Note what is not in the file that was written, though it was asked for."""
        for stream in self._untimed:
            self.notes.append(f"packets of the {name_of(stream)} that have no time are left out")
        pairs = [(one, written.streams[new.index]) for one, new in self._pairs]
        self.notes.extend(lost_labels(self._source, written, pairs))
