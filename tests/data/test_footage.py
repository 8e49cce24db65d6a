"""What real files do: turned, 10-bit, HDR, interlaced, unsteady, short; and picture folders."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from tempo.core.errors import MissingError
from tempo.data.datasets import frames
from tempo.data.datasets.footage import Frame, find_clips, needed
from tempo.data.open_dataset import check_available, open_split
from tempo.data.video_io.picture_files import THUMBNAIL
from tempo.spec.data import Frames, Video
from tempo.spec.study import RunConfig, identity

HEIGHT, WIDTH = 48, 64


def moving(count, seed=0):
    """A random pattern that slides right by 4 px a frame."""
    blocks = np.random.default_rng(seed).integers(0, 256, (HEIGHT // 8, 60, 3), dtype=np.uint8)
    wide = blocks.repeat(8, 0).repeat(8, 1)
    return [wide[:, 4 * k : 4 * k + WIDTH] for k in range(count)]


def write(
    path, pictures, *, codec="mpeg4", form="yuv420p", times=None, turn=0, mirrored=False, **settings
):
    """A video whose frame k is shown at `times[k]` (in 1/1000 s, 40 ms apart by default)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=settings.pop("options", {}))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = form, 4_000_000
        stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        if turn or mirrored:
            stream.set_display_rotation(turn, mirrored)
        for number, each in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(each), format="rgb24")
            frame.pts = times[number] if times else 40 * number
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def opened(tmp_path, path, **change):
    """The training split of a folder that holds `path` and two others."""
    for name in ("val", "test"):
        write(tmp_path / "videos" / f"{name}.mp4", moving(6))
    options = {"size": (HEIGHT, WIDTH), "val": ("val",), "test": ("test",)} | change
    return open_split(Video(root=str(tmp_path / "videos"), **options), "train", tmp_path / "cache")


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, -90])
def test_a_turned_or_mirrored_video_is_taken_as_it_is_shown(tmp_path, turn, mirrored):
    shown = moving(6)
    # Its frames are stored the other way round, and the metadata turn and mirror them back.
    stored = [np.rot90(each[:, ::-1] if mirrored else each, -turn // 90) for each in shown]
    path = write(tmp_path / "videos" / "phone.mp4", stored, turn=turn, mirrored=mirrored)
    split = opened(tmp_path, path)
    error = np.abs(split[0].target.astype(int) - shown[1]).mean()
    wrong = [shown[1][::-1, ::-1], shown[1][:, ::-1], shown[1][::-1]]
    assert error < 10 < min(np.abs(split[0].target.astype(int) - each).mean() for each in wrong)
    if mirrored or turn:
        assert split.counts["rotated files"] == 1
        said = "shown mirrored" if mirrored else f"turned by {turn % 360} degrees"
        assert said in split.notes[0]
    else:
        assert "rotated files" not in split.counts


def test_ten_bits_and_hdr_are_brought_to_eight_and_said(tmp_path):
    pictures = moving(6)
    path = write(tmp_path / "videos" / "deep.mkv", pictures, codec="libx264", form="yuv420p10le",
                 color_trc=16, options={"crf": "1"})  # fmt: skip
    split = opened(tmp_path, path)
    assert np.abs(split[0].target.astype(int) - pictures[1]).mean() < 10
    assert split.counts["high bit depth files"] == 1
    assert "deep.mkv: yuv420p10le has 10 bits, brought to 8" in split.notes
    assert any("PQ (SMPTE 2084) brought to 8 bits as it is" in note for note in split.notes)


def test_interlaced_files_are_flagged(tmp_path):
    path = write(tmp_path / "videos" / "tv.mkv", moving(6), codec="libx264",
                 options={"flags": "+ilme+ildct"})  # fmt: skip
    split = opened(tmp_path, path)
    assert split.counts["interlaced files"] == 1
    assert "6 of 6 frames are interlaced" in split.notes[0]


def test_times_come_from_timestamps(tmp_path):
    # After frame 4 a frame is missing: 80 ms instead of 40.
    times = [0, 40, 80, 120, 160, 240, 280, 320, 360]
    path = write(tmp_path / "videos" / "phone.mkv", moving(9), times=times)
    split = opened(tmp_path, path, every=1)
    starts = [int(clip.id.split("@")[1]) for clip in split]
    assert starts == [0, 1, 2, 5, 6]
    assert split.counts["uneven in time"] == 2
    assert "phone.mkv: frames are 40.0 to 80.0 ms apart; times are by timestamp" in split.notes


def test_any_time_gives_each_frame_its_own(tmp_path):
    times = [0, 40, 80, 120, 200, 240, 280, 320, 360]
    path = write(tmp_path / "videos" / "phone.mkv", moving(9), times=times)
    split = opened(tmp_path, path, every=1, stride=2, target_times="any")
    entries = [split.locate(index)[1] for index in range(len(split))]
    assert entries[0].target_times == (0.2, 0.4, 0.6)
    assert entries[4].target_times == (0.25, 0.5, 0.75)
    assert all(len(entry.targets) == 3 for entry in entries)
    assert split.shards[0].pixels.shape[0] == 9


def test_any_time_holds_for_training_only(tmp_path):
    path = write(tmp_path / "videos" / "a.mp4", moving(9))
    opened(tmp_path, path)
    options = Video(root=str(tmp_path / "videos"), size=(HEIGHT, WIDTH), val=("val",),
                    test=("test",), stride=2, target_times="any", static=0.0)  # fmt: skip
    clip = open_split(options, "val", tmp_path / "cache").locate(0)[1]
    assert clip.target_times == (0.5,)


def test_a_video_of_two_frames_gives_no_clip_and_is_told(tmp_path):
    write(tmp_path / "videos" / "a.mp4", moving(9))
    path = write(tmp_path / "videos" / "two.mp4", moving(2))
    split = opened(tmp_path, path)
    assert {clip.source for clip in split} == {"a.mp4"}
    assert split.counts["short files"] == 1
    assert "two.mp4: 2 frames, and a clip needs at least 3" in split.notes


def thumb(number, time):
    luma = np.full(THUMBNAIL, 10.0 * number, np.float32)
    return Frame(number=number, thumbnail=luma, pixels=None, time=time)


def test_time_that_does_not_rise_is_uneven():
    counts = []
    stream = [thumb(0, 0.0), thumb(1, 1.0), thumb(2, 1.0), thumb(3, 2.0)]
    kept = {"stride": 1, "every": 1, "static": 0.5, "cut": 50.0, "count": counts.append}
    assert not list(find_clips(stream, **kept))
    assert counts == ["uneven in time"] * 2


def test_frames_without_time_count_as_even():
    stream = [thumb(number, None) for number in range(5)]
    kept = {"stride": 2, "every": 1, "static": 0.5, "cut": 50.0, "count": lambda _: None}
    (found,) = find_clips(stream, any_time=True, **kept)
    assert found.target_times == (0.25, 0.5, 0.75)


@pytest.mark.parametrize(("stride", "every"), [(2, 1), (2, 3), (3, 7), (4, 20)])
def test_any_time_needs_all_frames_between(stride, every):
    wanted = {k + step for k in range(0, 60, every) for step in range(2 * stride + 1)}
    named = {k for k in range(60) if needed(k, stride, every, any_time=True)}
    assert named == {k for k in wanted if k < 60}


def folders(root, count=9, names=("a", "b", "c"), suffix="png"):
    for seed, name in enumerate(names):
        for number, pixels in enumerate(moving(count, seed), 1):
            path = root / name / f"shot_{number}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


def sequence(root, **change):
    kept = {"size": (HEIGHT, WIDTH), "val": ("b",), "test": ("c",), "every": 1} | change
    return Frames(root=str(root), **kept)


def test_folders_of_pictures_are_read_in_the_order_of_their_numbers(tmp_path):
    root = folders(tmp_path / "in", count=11)
    split = open_split(sequence(root), "train", tmp_path / "cache")
    assert [clip.id for clip in split] == [f"a@{k:06d}" for k in range(9)]
    pictures = moving(11)
    np.testing.assert_array_equal(split[8].frames, [pictures[8], pictures[10]])
    np.testing.assert_array_equal(split[8].target, pictures[9])
    assert split.shards[0].pixels.shape[0] == 11


def test_pictures_are_scaled_to_cover_and_cut(tmp_path):
    root = folders(tmp_path / "in", names=("a", "b", "c"), suffix="jpg")
    split = open_split(sequence(root, size=(24, 24)), "train", tmp_path / "cache")
    assert split[0].target.shape == (24, 24, 3)
    picture = np.asarray(Image.open(root / "a" / "shot_2.jpg").resize((32, 24), Image.BICUBIC))
    np.testing.assert_array_equal(split[0].target, picture[:, 4:28])


@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_a_bad_picture_costs_the_clips_around_it(tmp_path, how):
    root = folders(tmp_path / "in")
    path = root / "a" / "shot_5.png"
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:200])
    split = open_split(sequence(root, cut=200.0), "train", tmp_path / "cache")
    numbers = [list(_numbers(split, clip)) for clip in range(len(split))]
    assert numbers == [[1, 2, 3], [2, 3, 4], [6, 7, 8], [7, 8, 9]]
    assert split.counts["uneven in time"] == 2
    assert split.counts["unreadable pictures"] == (how == "truncated")
    assert all(str(path) in note for note in split.notes)


def _numbers(split, index):
    """Which pictures a clip is made of, found by their content."""
    pictures = moving(9)
    clip = split[index]
    for pixels in (clip.frames[0], clip.target, clip.frames[1]):
        yield next(n for n, each in enumerate(pictures, 1) if np.array_equal(each, pixels))


def test_what_is_in_a_folder_decides_the_digest_and_where_it_lies_does_not(tmp_path):
    def digest(root, **change):
        return frames.plan_split(sequence(root, **change), "train", tmp_path).digest

    one, other = folders(tmp_path / "one"), folders(tmp_path / "deep" / "two")
    assert digest(one) == digest(other)
    assert digest(one) != digest(one, stride=2)
    (other / "a" / "shot_9.png").unlink()
    assert digest(one) != digest(other)


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(MissingError, match="no folder of pictures under"):
        check_available(sequence(tmp_path))
    root = folders(tmp_path / "in")
    with pytest.raises(MissingError, match="unknown picture folder 'd'"):
        check_available(sequence(root, val=("d",)))
    with pytest.raises(MissingError, match=r"2 picture folders .* at least 3 are needed"):
        check_available(sequence(folders(tmp_path / "few", names=("a", "b")), val=(), test=()))


def test_where_data_lie_does_not_name_a_run_but_what_they_are_called_does():
    def run(**change):
        data = {"kind": "video", "root": "a"} | change
        config = {"data": data, "recipe": {"budget": {"steps": 1}}}
        return identity(RunConfig.model_validate(config), 0)

    assert run() == run(root="/elsewhere/b")
    assert len({run(), run(name="mine"), run(stride=2)}) == 3
