"""Writing video: colours, sizes, shapes of pixels, and nothing half-written."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tempo.core.errors import MissingError
from tempo.data.video_io.video_reader import reading
from tempo.data.video_io.video_writer import writing

from .video_files import SIZE, doubled, make_video, shown


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
    source = make_video(tmp_path / "in.mp4", sound="aac")
    for name, said in (("out.gif", "suffix of the output"), ("out.webm", r"try \.mkv")):
        with (
            pytest.raises(MissingError, match=said),
            reading(source) as reader,
            writing(tmp_path / name, reader, 2, 12),
        ):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "text.mp4"]


@pytest.mark.parametrize(
    ("codec", "layout", "kept", "said"),
    [
        ("libx264", "yuv444p", "yuv444p", "4:4:4 colour, which is kept"),
        ("libx264", "yuv422p", "yuv422p", "4:2:2 colour, which is kept"),
        ("libx264rgb", "rgb24", "yuv444p", "stored as RGB"),
        ("libx264", "gray", "yuv420p", None),
        ("libx264", "yuv420p", "yuv420p", None),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_colour_is_stored_as_finely_as_it_was(
    tmp_path: Path, codec: str, layout: str, kept: str, said: str | None, suffix: str
) -> None:
    source = make_video(tmp_path / "in.mp4", codec=codec, layout=layout)
    notes = doubled(source, tmp_path / f"out{suffix}")
    assert len(notes) == (said is not None) and all(str(said) in note for note in notes)
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        first = next(container.decode(video=0))
        assert first.format.name == kept
        # 0 is AVCOL_SPC_RGB: what is no longer RGB must not be called so.
        assert first.colorspace != 0
    before, after = shown(source)[0], shown(tmp_path / f"out{suffix}")[0][::2]
    gap = np.stack(after).astype(float) - np.stack(before)
    assert abs(gap.mean((0, 1, 2))).max() < 1.5
    assert abs(gap).mean() < (3 if suffix == ".mp4" else 4)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_shape_of_pixels_is_kept(tmp_path: Path, suffix: str) -> None:
    source = make_video(tmp_path / "in.mp4", options={"sample_aspect_ratio": Fraction(16, 11)})
    assert doubled(source, tmp_path / f"out{suffix}") == []
    with reading(tmp_path / f"out{suffix}") as reader:
        assert reader.info.pixel_aspect == Fraction(16, 11)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(Fraction(4, 3), (36, 86)), (Fraction(3, 4), (48, 64)), (Fraction(1), (36, 64))],
)
def test_pictures_become_square_pixels_where_the_container_has_no_others(
    tmp_path: Path, aspect: Fraction, size: tuple[int, int]
) -> None:
    source = make_video(tmp_path / "in.mp4", options={"sample_aspect_ratio": aspect})
    notes = doubled(source, tmp_path / "out.webm")
    with reading(tmp_path / "out.webm") as reader:
        assert reader.info.size == size
    assert len(notes) == (aspect != 1)
    assert all(f"enlarged to {size[1]}x{size[0]}" in note for note in notes)


def test_a_turned_film_has_turned_pixels(tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "in.mp4", turn=(90, False, False), options={"sample_aspect_ratio": Fraction(2)}
    )
    doubled(source, tmp_path / "out.mp4")
    with reading(tmp_path / "out.mp4") as reader:
        assert reader.info.size == SIZE[::-1]
        assert reader.info.pixel_aspect == Fraction(1, 2)
