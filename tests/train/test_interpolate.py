"""New frames: how many, when, what they show, and what happens at a cut."""

from __future__ import annotations

import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tempo.core.errors import MissingError
from tempo.metrics.references import average
from tempo.train.inference.interpolation import (
    InterpolationSettings,
    between_pictures,
    interpolate_video,
)

CPU = torch.device("cpu")
SIZE = (32, 48)
CUT = 36.0


def quiet(done: int, total: int | None) -> None:
    """A progress that nobody looks at."""


def flat(level: int) -> np.ndarray:
    """A plain picture, which a codec keeps to a level or two."""
    return np.full((*SIZE, 3), level, np.uint8)


def make_video(path: Path, levels: list[int], times: list[int] | None = None) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "4"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, level in enumerate(levels):
            picture = av.VideoFrame.from_ndarray(flat(level), format="rgb24")
            picture.pts = times[number] if times else 100 * number
            picture.time_base = Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def written(path: Path) -> tuple[list[float], list[Fraction]]:
    """Mean levels and times of all frames."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return (
            [float(each.to_ndarray(format="rgb24").mean()) for each in frames],
            [each.pts * each.time_base for each in frames],
        )


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_frames_divide_the_time_between_their_neighbours(tmp_path: Path, factor: int) -> None:
    times = [0, 100, 300, 340]
    source = make_video(tmp_path / "in.mp4", [40, 60, 80, 70], times)
    target = tmp_path / "out.mp4"
    settings = InterpolationSettings(factor=factor, cut=CUT, crf=4)
    done = interpolate_video(average, source, target, settings, CPU, quiet)
    levels, moments = written(target)
    assert (done.read, done.frames, done.cuts) == (4, 3 * factor + 1, ())
    assert len(levels) == done.frames
    places = np.arange(done.frames) / factor
    assert moments == [
        Fraction(float(np.interp(place, range(4), times))).limit_denominator(8000) / 1000
        for place in places
    ]
    assert levels == pytest.approx(np.interp(places, range(4), [40, 60, 80, 70]), abs=2.5)


def test_a_cut_is_held_and_not_blended(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", [40, 44, 200, 204])
    settings = InterpolationSettings(factor=4, cut=CUT, crf=4)
    done = interpolate_video(average, source, tmp_path / "out.mp4", settings, CPU, quiet)
    levels, _ = written(tmp_path / "out.mp4")
    assert done.cuts == (1,) and done.frames == len(levels) == 13
    assert levels[4:8] == pytest.approx([44] * 4, abs=2.5)
    assert levels[8] == pytest.approx(200, abs=2.5)
    blended = InterpolationSettings(factor=4, cut=255.0, crf=4)
    assert not interpolate_video(average, source, tmp_path / "b.mp4", blended, CPU, quiet).cuts
    assert written(tmp_path / "b.mp4")[0][6] == pytest.approx(122, abs=3)


def test_a_network_sees_as_many_frames_as_it_was_trained_on(tmp_path: Path) -> None:
    """Two before a gap and two behind it, none of another scene, at the times of its training."""
    seen: list[tuple[list[int], list[float], float]] = []

    def watching(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        levels = [round(255 * float(each.mean()) / 10) for each in frames[0]]
        seen.append((levels, times[0].tolist(), float(moment)))
        return frames[:, 1]

    levels = [40, 50, 60, 70, 170, 180, 190]
    source = make_video(tmp_path / "in.mp4", levels)
    settings = InterpolationSettings(factor=2, cut=CUT, crf=1, views=4)
    done = interpolate_video(watching, source, tmp_path / "out.mp4", settings, CPU, quiet)
    assert (done.read, done.frames, done.cuts) == (7, 13, (3,))
    assert [shown for shown, _, _ in seen] == [
        [4, 4, 5, 6],
        [4, 5, 6, 7],
        [5, 6, 7, 7],
        [17, 17, 18, 19],
        [17, 18, 19, 19],
    ]
    assert all(times == pytest.approx([0, 1 / 3, 2 / 3, 1]) for _, times, _ in seen)
    assert {round(moment, 4) for _, _, moment in seen} == {0.5}
    found, _ = written(tmp_path / "out.mp4")
    assert found[0::2] == pytest.approx(levels, abs=2.5)


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """Frames are let go: at no time are more than a few alive."""
    alive: list[weakref.ref[Tensor]] = []
    most = 0

    def watching(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        nonlocal most
        alive.append(weakref.ref(frames))
        most = max(most, sum(each() is not None for each in alive))
        return average(frames, times, moment)

    source = make_video(tmp_path / "in.mp4", list(range(40, 100, 2)))
    settings = InterpolationSettings(factor=2, cut=CUT, crf=30)
    interpolate_video(watching, source, tmp_path / "out.mp4", settings, CPU, quiet)
    assert len(alive) == 29 and most <= 3


def test_progress_counts_frames(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    source = make_video(tmp_path / "in.mp4", [40, 50, 60])
    settings = InterpolationSettings(factor=2, cut=CUT, crf=30)
    interpolate_video(
        average, source, tmp_path / "o.mp4", settings, CPU, lambda *now: told.append(now)
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_one_frame_is_no_video(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mp4", [40])
    settings = InterpolationSettings(factor=2, cut=CUT, crf=30)
    with pytest.raises(MissingError, match="nothing between"):
        interpolate_video(average, source, tmp_path / "out.mp4", settings, CPU, quiet)
    with pytest.raises(MissingError, match="another name"):
        interpolate_video(average, source, source, settings, CPU, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_pictures_between_two(tmp_path: Path) -> None:
    pair = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, level in zip(pair, (40, 200), strict=True):
        Image.fromarray(flat(level)).save(path)
    (single,) = between_pictures(average, pair, tmp_path / "m.png", 1, CPU, quiet)
    assert single == tmp_path / "m.png"
    assert np.asarray(Image.open(single)).mean() == 120
    three = between_pictures(average, pair, tmp_path / "frames", 3, CPU, quiet)
    assert [path.name for path in three] == ["1-t0.2500.png", "2-t0.5000.png", "3-t0.7500.png"]
    assert [np.asarray(Image.open(path)).mean() for path in three] == [80, 120, 160]


def test_pictures_that_cannot_be_are_refused(tmp_path: Path) -> None:
    pair = [tmp_path / "a.png", tmp_path / "b.png"]
    Image.fromarray(flat(40)).save(pair[0])
    Image.fromarray(flat(40)[:16]).save(pair[1])
    with pytest.raises(MissingError, match=r"48x32 and .* 48x16"):
        between_pictures(average, pair, tmp_path / "m.png", 1, CPU, quiet)
    same = [pair[0], pair[0]]
    with pytest.raises(MissingError, match="name a folder for 3"):
        between_pictures(average, same, tmp_path / "m.png", 3, CPU, quiet)
    with pytest.raises(MissingError, match=r"written as \.png, not \.jpg"):
        between_pictures(average, same, tmp_path / "m.jpg", 1, CPU, quiet)
    with pytest.raises(MissingError, match="nowhere"):
        between_pictures(average, [pair[0], tmp_path / "nowhere.png"], tmp_path / "m.png", 1, CPU, quiet)  # fmt: skip  # noqa: E501
