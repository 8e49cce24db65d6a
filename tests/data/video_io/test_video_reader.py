"""Reading video: times, turns and mirrors, raw streams, and what cannot be read."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tempo.core.errors import MissingError
from tempo.data.video_io.video_reader import DecodedFrame, reading

from .video_files import SIZE, doubled, frame, make_video, shown


def read(path: Path) -> list[DecodedFrame]:
    with reading(path) as reader:
        return list(reader.frames(lambda packet: None))


@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turned_and_mirrored_videos_are_read_as_they_are_shown(
    tmp_path: Path, degrees: int, mirrored: bool
) -> None:
    source = make_video(tmp_path / "in.mov", turn=(degrees, mirrored, False))
    upright = np.rot90(frame(0), degrees // 90)
    expected = upright[:, ::-1] if mirrored else upright
    with reading(source) as reader:
        first = next(reader.frames(lambda packet: None))
        assert reader.info.size == expected.shape[:2] == first.pixels.shape[:2]
        notes = " ".join(reader.notes)
    assert abs(first.pixels.astype(float) - expected).mean() < 6
    if mirrored:
        assert "shown mirrored" in notes
    else:
        assert ("turned by" in notes) == (degrees != 0)
        assert (f"turned by {degrees} degrees" in notes) == (degrees != 0)


def test_a_turn_that_is_no_quarter_is_left_out_and_said(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mov", turn=(45, False, False))
    (note,) = doubled(source, tmp_path / "out.mov")
    assert "turned by 45 degrees" in note and "as they are stored" in note
    assert shown(tmp_path / "out.mov")[0][0].shape == (*SIZE, 3)


def test_a_matrix_without_a_direction_is_no_crash(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mov", matrix=[0] * 8 + [1 << 30])
    assert read(source)[0].pixels.shape == (*SIZE, 3)


def test_a_raw_stream_is_read_and_its_frames_are_spaced_evenly(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.h264")
    with reading(source) as reader:
        assert reader.info.length.frames == 6
        found = [each.pts * reader.info.time_base for each in reader.frames(lambda packet: None)]
    assert len(found) == 6
    assert len({late - soon for soon, late in pairwise(found)}) == 1
    assert doubled(source, tmp_path / "out.mp4") == []
    assert len(shown(tmp_path / "out.mp4")[0]) == 12


def test_times_survive_also_where_the_rate_varies(tmp_path: Path) -> None:
    times = [0, 100, 150, 400, 410, 1000]
    source = make_video(tmp_path / "in.mp4", times=times)
    with reading(source) as reader:
        found = [each.pts * reader.info.time_base for each in reader.frames(lambda packet: None)]
    assert found == [Fraction(time, 1000) for time in times]
    doubled(source, tmp_path / "out.mkv")
    pictures, written = shown(tmp_path / "out.mkv")
    assert len(pictures) == 12
    assert written[::2] == [Fraction(time, 1000) for time in times]


def test_the_picture_of_a_cover_is_not_the_film(tmp_path: Path) -> None:
    import av

    film = make_video(tmp_path / "film.mp4")
    source = tmp_path / "in.mp4"
    with av.open(str(film)) as whole, av.open(str(source), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 32, 32, "yuvj420p", 1024
        picture = container.add_stream_from_template(whole.streams.video[0])
        still = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 9, np.uint8), format="rgb24")
        container.mux(cover.encode(still))
        container.mux(cover.encode(None))
        for packet in whole.demux(whole.streams.video[0]):
            if packet.size:
                packet.stream = picture
                container.mux(packet)
    assert len(read(source)) == 6
    assert doubled(source, tmp_path / "out.mp4") == ["the cover picture is left out"]


def test_tags_that_are_no_utf8_do_not_keep_a_video_from_being_read(tmp_path: Path) -> None:
    import av

    source = tmp_path / "in.mkv"
    film = make_video(tmp_path / "film.mkv")
    with av.open(str(film)) as whole, av.open(str(source), "w") as container:
        picture = container.add_stream_from_template(whole.streams.video[0])
        container.metadata["title"] = "Gru:n"
        for packet in whole.demux(whole.streams.video[0]):
            if packet.size:
                packet.stream = picture
                container.mux(packet)
    source.write_bytes(source.read_bytes().replace(b"Gru:n", b"Gr\xfc\xdfe"))
    with pytest.raises(UnicodeDecodeError), av.open(str(source)):
        pass
    assert len(read(source)) == 6


def test_what_is_no_file_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", tmp_path):
        with pytest.raises(MissingError, match="no regular file"), reading(path):
            pass
