"""Reading and writing video: times, sound, colours, cuts, and nothing half-written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tempo.core.errors import MissingError
from tempo.data.video_io.video_stream import reading, writing

SIZE = (36, 64)
RATE = 10


def frame(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A smooth picture that moves: what a codec keeps well."""
    down, across = np.mgrid[: size[0], : size[1]]
    wave = 128 + 60 * np.sin((across + 2 * number) / 9) * np.cos(down / 7)
    return np.stack([wave, np.roll(wave, 5, 1), 255 - wave], -1).astype(np.uint8)


def make_video(
    path: Path,
    *,
    times: list[int] | None = None,
    sound: bool = False,
    size: tuple[int, int] = SIZE,
    options: dict[str, Any] | None = None,
) -> Path:
    """A small H.264 file; `times` are in thousandths of a second."""
    times = times or [100 * n for n in range(6)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "12"})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in (options or {}).items():
            setattr(stream.codec_context, name, value)
        audio = container.add_stream("aac", rate=8000) if sound else None
        for number, time in enumerate(times):
            picture = av.VideoFrame.from_ndarray(frame(number, size), format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if audio is not None:
            _tone(container, audio, times[-1] / 1000)
    return path


def _tone(container: Any, stream: Any, seconds: float) -> None:
    samples = np.sin(np.arange(int(8000 * seconds)) / 8).astype(np.float32)
    for start in range(0, len(samples) - 1024, 1024):
        part = av.AudioFrame.from_ndarray(
            samples[None, start : start + 1024], format="fltp", layout="mono"
        )
        part.sample_rate, part.pts, part.time_base = 8000, start, Fraction(1, 8000)
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def shown(path: Path) -> tuple[list[np.ndarray], list[Fraction]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return (
            [each.to_ndarray(format="rgb24") for each in frames],
            [each.pts * each.time_base for each in frames],
        )


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams.audio) if p.size]


def doubled(source: Path, target: Path) -> None:
    """Every frame twice: reading and writing without a network."""
    with reading(source) as reader, writing(target, reader, 2, 12) as out:
        for each in reader.frames(out.copy):
            out.write(each.pixels, 2 * each.pts)
            out.write(each.pixels, 2 * each.pts + 1)


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


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_sound_is_copied_byte_by_byte(tmp_path: Path, suffix: str) -> None:
    source = make_video(tmp_path / "in.mp4", sound=True)
    doubled(source, tmp_path / f"out{suffix}")
    assert packets(source) == packets(tmp_path / f"out{suffix}") != []


@pytest.mark.parametrize(
    "options",
    [{}, {"colorspace": 1, "color_primaries": 1, "color_trc": 1}, {"color_range": 2}],
    ids=["unspecified", "bt709", "full range"],
)
def test_colours_stay_what_they_are(tmp_path: Path, options: dict[str, Any]) -> None:
    source = make_video(tmp_path / "in.mp4", options=options)
    doubled(source, tmp_path / "out.mp4")
    before, after = shown(source)[0], shown(tmp_path / "out.mp4")[0][::2]
    gap = np.stack(after).astype(float) - np.stack(before)
    assert abs(gap.mean((0, 1, 2))).max() < 1
    assert abs(gap).mean() < 2.5
    with reading(source) as one, reading(tmp_path / "out.mp4") as other:
        assert one.info.colour[1:] == other.info.colour[1:]


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", size=(36, 64))
    with reading(source) as reader:
        info = reader.info
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader, "info", type(info)(**{
                name: getattr(info, name) for name in info.__slots__ if name != "size"
            } | {"size": (35, 63)}))  # fmt: skip
            with writing(tmp_path / "out.mp4", reader, 1, 12) as out:
                for each in reader.frames(out.copy):
                    out.write(np.ascontiguousarray(each.pixels[:35, :63]), each.pts)
    assert shown(tmp_path / "out.mp4")[0][0].shape == (35, 63, 3)


def test_a_turned_video_is_read_upright(tmp_path: Path) -> None:
    source = tmp_path / "turned.mov"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "8"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        stream.set_display_rotation(90)
        for number in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(number), format="rgb24")))
        container.mux(stream.encode(None))
    with reading(source) as reader:
        first = next(reader.frames(lambda packet: None))
        turns = reader.info.rotation // 90
        assert reader.info.size == (SIZE[1], SIZE[0]) == first.pixels.shape[:2]
        assert any("written upright" in note for note in reader.info.notes)
    gap = first.pixels.astype(float) - np.rot90(frame(0), turns)
    assert abs(gap).mean() < 6


def test_nothing_is_left_when_writing_breaks_off(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4")
    with (
        pytest.raises(KeyboardInterrupt),
        reading(source) as reader,
        writing(tmp_path / "out.mp4", reader, 2, 12) as out,
    ):
        for each in reader.frames(out.copy):
            out.write(each.pixels, 2 * each.pts)
            if each.pts > 0:
                raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"nothing\.mp4"), reading(tmp_path / "nothing.mp4"):
        pass
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    with pytest.raises(MissingError, match="cannot read the video"), reading(text):
        pass
    source = make_video(tmp_path / "in.mp4", sound=True)
    for name, said in (("out.gif", "suffix of the output"), ("out.webm", r"try \.mkv")):
        with (
            pytest.raises(MissingError, match=said),
            reading(source) as reader,
            writing(tmp_path / name, reader, 2, 12),
        ):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "text.mp4"]


def test_a_file_that_breaks_off_is_an_error_with_its_place(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mkv", times=[100 * n for n in range(40)])
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    with reading(source) as reader:
        try:
            count = len(list(reader.frames(lambda packet: None)))
        except MissingError as error:
            assert "beyond frame" in str(error)
        else:
            # Matroska may be cut between packets: then it is a shorter film, not a broken one.
            assert 0 < count < 40
