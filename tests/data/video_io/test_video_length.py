"""Videos that end before their header says so, and whole ones that must not be taken for such."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from tempo.core.errors import MissingError
from tempo.data.video_io.video_description import describe
from tempo.data.video_io.video_length import missing_part
from tempo.data.video_io.video_reader import reading

from .video_files import cut_off, doubled, make_video, shown

FRAMES = 40
FIRST = {"movflags": "faststart"}
KINDS: dict[str, dict[str, Any]] = {
    "mp4": {"container_options": FIRST},
    "mp4 with sound": {"container_options": FIRST, "sound": "aac"},
    "mp4 without B-frames": {"container_options": FIRST, "options": {"max_b_frames": 0}},
    "mov": {"container_options": FIRST, "sound": "aac"},
    "mkv": {"sound": "aac"},
    "mkv alone": {},
    "webm": {"codec": "libvpx-vp9", "sound": "libopus"},
    "webm of VP8": {"codec": "libvpx", "sound": "libopus", "encoder": {"auto-alt-ref": "1"}},
    "avi": {"codec": "mpeg4", "sound": "ac3"},
    "flv": {"sound": "aac"},
}
NO_END = {
    "ts": {"sound": "aac"},
    "h264": {},
    "mp4 in fragments": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
}
"""Kinds that do not say in their header how long they are."""

STEADY = [100 * n for n in range(FRAMES)]
VARYING = [100 * n + (37 * n) % 90 for n in range(FRAMES - 1)] + [5500]


def write(folder: Path, kind: str, times: list[int] | None = None) -> Path:
    options = (KINDS | NO_END)[kind]
    return make_video(folder / f"in.{kind.split(maxsplit=1)[0]}", times=times or STEADY, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_that_is_cut_off_is_refused_before_it_is_decoded(tmp_path: Path, kind: str) -> None:
    source = cut_off(write(tmp_path, kind), 0.55)
    target = tmp_path / "out.mkv"
    with pytest.raises(MissingError, match=r"breaks off: .* are there of .* in its header") as told:
        doubled(source, target)
    assert "--allow-truncated (in Python allow_truncated=True)" in str(told.value)
    assert not target.exists()
    (note, *_) = doubled(source, target, allow_truncated=True)
    assert note.startswith("the source breaks off: ")
    assert 10 < len(shown(target)[0]) < 2 * FRAMES


@pytest.mark.parametrize("times", [STEADY, VARYING], ids=["steady", "varying"])
@pytest.mark.parametrize("kind", [*KINDS, *NO_END])
def test_whole_videos_are_whole(tmp_path: Path, kind: str, times: list[int]) -> None:
    source = write(tmp_path, kind, times)
    assert missing_part(source) is None
    with reading(source) as reader:
        assert len(list(reader.frames(lambda packet: None))) == FRAMES
        assert reader.notes == []


def test_the_last_frame_may_be_shown_for_long(tmp_path: Path) -> None:
    for suffix in ("mkv", "mp4"):
        source = tmp_path / f"in.{suffix}"
        film = make_video(tmp_path / "film.mkv", times=[0, 100, 200, 2200, 2300])
        with av.open(str(film)) as whole, av.open(str(source), "w") as container:
            picture = container.add_stream_from_template(whole.streams.video[0])
            found = [packet for packet in whole.demux(video=0) if packet.size]
            for packet in found:
                packet.stream = picture
                packet.duration = 1900 if packet is found[-1] else packet.duration
                container.mux(packet)
        assert missing_part(source) is None


def test_a_partial_last_frame_is_missing(tmp_path: Path) -> None:
    source = write(tmp_path, "mp4")
    whole = source.read_bytes()
    source.write_bytes(whole[:-10])
    assert missing_part(source) == "39 frames are there of 40 in its header"


def test_sound_that_is_cut_off_is_missing_too(tmp_path: Path) -> None:
    film, source = write(tmp_path, "mkv"), tmp_path / "in.mp4"
    with (
        av.open(str(film)) as whole,
        av.open(str(source), "w", container_options=FIRST) as container,
    ):
        pairs = {each: container.add_stream_from_template(each) for each in whole.streams}
        for packet in whole.demux():
            # The film ends early, so that the sound is what is last in the file.
            if packet.size and (packet.stream.type == "audio" or packet.pts * packet.time_base < 2):
                packet.stream = pairs[packet.stream]
                container.mux(packet)
    assert missing_part(source) is None
    source.write_bytes(source.read_bytes()[:-40])
    assert re.fullmatch(
        r"(\d+) packets of sound are there of \d+ in its header", missing_part(source) or ""
    )


def edit(path: Path, change: Callable[[int, int], tuple[int, int]]) -> None:
    """Change the only entry (duration, start) of the edit list of an MP4's film."""
    content = bytearray(path.read_bytes())
    place = content.index(b"elst") + 8
    assert struct.unpack(">I", content[place : place + 4]) == (1,)
    entry = struct.unpack(">Ii", content[place + 4 : place + 12])
    content[place + 4 : place + 12] = struct.pack(">Ii", *change(*entry))
    path.write_bytes(content)


@pytest.mark.parametrize("cut", ["end", "beginning"])
def test_a_film_that_was_trimmed_in_a_phone_is_whole(tmp_path: Path, cut: str) -> None:
    """Trimmed films keep all frames and show some, by an edit list."""
    source = write(tmp_path, "mp4")
    with av.open(str(source)) as container:
        base = container.streams.video[0].time_base
    half = 2000
    start = round(2 / base) if cut == "beginning" else 0
    edit(source, lambda length, first: (half, first + start))
    with av.open(str(source)) as container:
        assert container.streams.video[0].frames == FRAMES
        decoded = len(list(container.decode(video=0)))
    assert decoded == FRAMES // 2
    assert missing_part(source) is None
    assert describe(source).length.frames == decoded
    assert doubled(source, tmp_path / "out.mp4") == []
    assert len(shown(tmp_path / "out.mp4")[0]) == FRAMES


def test_frames_that_cannot_be_decoded_are_refused_or_left_out(tmp_path: Path) -> None:
    """Motion JPEG: each frame stands for itself."""
    source = make_video(tmp_path / "in.avi", times=STEADY, codec="mjpeg", layout="yuvj420p")
    with av.open(str(source)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(source.read_bytes())
    for place, size in places[10:20]:
        begin = content.index(b"\xff\xd8", place)
        content[begin : begin + size - 16] = bytes(size - 16)
    source.write_bytes(content)
    target = tmp_path / "out.mkv"
    with pytest.raises(MissingError, match=r"cannot be decoded beyond frame 10 .*copy it again"):
        doubled(source, target)
    assert not target.exists()
    (note,) = doubled(source, target, allow_truncated=True)
    assert note.startswith("10 packets of the source cannot be decoded, the first after frame 10 ")
    assert len(shown(target)[0]) == 2 * (FRAMES - 10)


def not_coded(vop: bytearray) -> None:
    """Clear the bit of an MPEG-4 picture that says that there is one (ISO 14496-2, 6.2.5)."""
    assert vop[:4] == b"\x00\x00\x01\xb6"
    bits = "".join(f"{byte:08b}" for byte in vop[4:12])
    place = bits.index("0", 2) + 1 + 1 + 10 + 1  # seconds, marker, 10 bits of 1/1000 s, marker
    assert bits[place] == "1"
    vop[4 + place // 8] &= ~(0x80 >> place % 8)


def test_frames_that_are_listed_and_hold_no_picture_are_noted(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", times=STEADY, codec="mpeg4", encoder={"g": "100"})
    with av.open(str(source)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray(source.read_bytes())
    for place, size in places[10:20]:
        vop = content[place : place + size]
        not_coded(vop)
        content[place : place + size] = vop
    source.write_bytes(content)
    (note,) = doubled(source, tmp_path / "out.mkv")
    assert note.startswith("10 of the 40 frames of the source could not be decoded")
    assert len(shown(tmp_path / "out.mkv")[0]) == 2 * (FRAMES - 10)
