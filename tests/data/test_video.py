"""Video triplets: on files written here, and on the development clips where they are present."""

import os
from pathlib import Path

import av
import numpy as np
import pytest

from tempo.core.errors import MissingError
from tempo.data.dataset_roots import resolve_root
from tempo.data.datasets import video
from tempo.data.datasets.footage import Frame, find_clips, needed
from tempo.data.fingerprints import Fingerprints
from tempo.data.open_dataset import check_available, open_split, prepare
from tempo.data.video_io.picture_files import THUMBNAIL
from tempo.spec.data import Video

CLIPS = Path(os.environ.get("TEMPO_CLIPS", "../shared/data/clips"))
needs_clips = pytest.mark.skipif(
    not (CLIPS / "film_with_cuts.mp4").is_file(), reason="TEMPO_CLIPS is not on this machine"
)


def write_video(path, pictures):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        for each in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24")))
        container.mux(stream.encode())


def moving(count, start=0, height=48, width=64, seed=0):
    """A random pattern that slides right by 4 px a frame."""
    blocks = np.random.default_rng(seed).integers(0, 256, (height // 8, 60, 3), dtype=np.uint8)
    wide = blocks.repeat(8, 0).repeat(8, 1)
    return [wide[:, 4 * k : 4 * k + width] for k in range(start, start + count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    for number, name in enumerate(("a", "b", "c", "d")):
        write_video(root / f"{name}.mp4", moving(12, seed=number))
    (root / "more").mkdir()
    still = moving(1, seed=9) * 6
    write_video(root / "more" / "cut.mkv", moving(6, seed=5) + moving(6, seed=6) + still)
    (root / "notes.txt").write_text("not a video")
    return root


def options(folder, **change):
    kept = {"size": (32, 48), "val": ("b",), "test": ("cut",)} | change
    return Video(root=str(folder), **kept)


def test_splits_are_by_file_and_named_files_go_where_they_belong(folder):
    by_split = video.files_by_split(options(folder))
    assert list(by_split["val"]) == ["b.mp4"]
    assert list(by_split["test"]) == ["more/cut.mkv"]
    assert list(by_split["train"]) == ["a.mp4", "c.mp4", "d.mp4"]


def test_unnamed_splits_are_chosen_by_hash_not_by_place(folder, tmp_path):
    chosen = video.files_by_split(options(folder, val=(), test=()))
    assert sorted(name for each in chosen.values() for name in each) == [
        "a.mp4", "b.mp4", "c.mp4", "d.mp4", "more/cut.mkv",
    ]  # fmt: skip
    assert [len(each) for each in chosen.values()] == [3, 1, 1]
    for name in ("d.mp4", "c.mp4", "more/cut.mkv", "a.mp4", "b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    there = video.files_by_split(options(tmp_path, val=(), test=()))
    assert {k: list(v) for k, v in there.items()} == {k: list(v) for k, v in chosen.items()}


def test_triplets_have_neighbouring_frames_and_the_right_form(folder, tmp_path):
    split = open_split(options(folder), "train", tmp_path)
    assert [clip.id for clip in split][:4] == [f"a.mp4@{k:06d}" for k in (0, 3, 6, 9)]
    assert split.counts == {"kept": 12}
    clip = split[0]
    assert clip.frames.shape == (2, 32, 48, 3)
    assert clip.motion is None
    assert clip.occlusion is None
    # Covered: 48 x 64 to 36 x 48, so 4 px of motion become 3; the middle 32 rows are kept.
    shifted = np.abs(clip.target[:, :-3].astype(int) - clip.frames[0][:, 3:]).mean()
    still = np.abs(clip.target.astype(int) - clip.frames[0]).mean()
    assert shifted < 0.4 * still


def test_cuts_and_standstill_are_skipped_and_counted(folder, tmp_path):
    split = open_split(options(folder, every=1, static=1.0, cut=30.0), "test", tmp_path)
    starts = [int(clip.id.split("@")[1]) for clip in split]
    # Cuts after frames 5 and 11; frames 12 to 17 are one picture.
    assert starts == [0, 1, 2, 3, 6, 7, 8, 9]
    assert split.counts == {"kept": 8, "with a cut": 4, "static": 4}


def test_shared_frames_are_stored_once(folder, tmp_path):
    split = open_split(options(folder, every=1), "val", tmp_path)
    assert len(split) == 10
    assert split.shards[0].pixels.shape[0] == 12
    np.testing.assert_array_equal(split[0].target, split[1].frames[0])


def test_stride_every_and_limit(folder, tmp_path):
    split = open_split(options(folder, stride=2, every=4, limit=2), "val", tmp_path)
    assert [clip.id for clip in split] == ["b.mp4@000000", "b.mp4@000004"]
    alone = open_split(options(folder, stride=1, every=1), "val", tmp_path)
    np.testing.assert_array_equal(split[1].frames[1], alone[7].target)


@pytest.mark.parametrize(("stride", "every"), [(1, 1), (1, 3), (2, 3), (3, 2), (1, 7)])
def test_needed_names_exactly_the_frames_of_triplets(stride, every):
    wanted = {k + step * stride for k in range(0, 60, every) for step in range(3)}
    assert {k for k in range(60) if needed(k, stride, every)} == {k for k in wanted if k < 60}


def test_a_cut_between_the_frames_of_a_wide_triplet_is_found():
    def frame(number):
        luma = np.full(THUMBNAIL, 10.0 * number + (100 if number >= 3 else 0), np.float32)
        return Frame(number=number, thumbnail=luma, pixels=None)

    counts = []
    found = find_clips(
        map(frame, range(9)), stride=2, every=1, static=0.5, cut=50.0, count=counts.append
    )
    numbers = [(f.first.number, f.targets[0].number, f.last.number) for f in found]
    assert numbers == [(3, 5, 7), (4, 6, 8)]
    assert counts.count("with a cut") == 3


def test_broken_files_are_counted_and_the_others_used(folder, tmp_path):
    root = tmp_path / "videos"
    root.mkdir()
    for name in ("a", "b", "c", "d", "e"):
        (root / f"{name}.mp4").write_bytes((folder / "a.mp4").read_bytes())
    (root / "a.mp4").write_bytes(b"this is no video" * 100)
    whole = (root / "c.mp4").read_bytes()
    (root / "c.mp4").write_bytes(whole[: len(whole) // 2])
    write_video(root / "two.avi", moving(2))
    split = open_split(options(root, val=("b",), test=("d",)), "train", tmp_path / "cache")
    assert split.counts["broken files"] == 2
    assert split.counts["kept"] == len(split) == 4
    assert any(note.startswith("a.mp4: cannot be decoded") for note in split.notes)
    with pytest.raises(MissingError, match=r"no clips .*a\.mp4: cannot be decoded"):
        open_split(options(root, val=("a",), test=("d",)), "val", tmp_path / "cache")


def test_a_full_disk_is_not_taken_for_a_broken_file(folder, tmp_path, monkeypatch):
    def full(self, pixels):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempo.data.cache.shards.ShardWriter.picture", full)
    with pytest.raises(OSError, match="No space left"):
        open_split(options(folder), "train", tmp_path)


def test_caches_follow_content_and_options(folder, tmp_path):
    def digest(**change):
        return video.plan_split(options(folder, **change), "train", tmp_path).digest

    assert digest() == digest()
    assert len({digest(), digest(every=2), digest(size=(32, 32)), digest(cut=9.0)}) == 4


def test_fingerprints_notice_a_changed_file(tmp_path):
    file = tmp_path / "x"
    file.write_text("one")
    prints = Fingerprints(tmp_path / "cache")
    before = prints.of([file])
    assert prints.of([file]) == before
    file.write_text("other")
    assert prints.of([file]) != before


def test_what_is_missing_is_named(folder, tmp_path, monkeypatch):
    with pytest.raises(MissingError, match=r"data\.root is '/no/where', which does not exist"):
        check_available(options("/no/where"))
    with pytest.raises(MissingError, match="no video file under"):
        check_available(options(tmp_path))
    with pytest.raises(MissingError, match=r"data\.test: unknown video file 'cud'"):
        check_available(options(folder, test=("cud",)))
    with pytest.raises(MissingError, match=r"both name b\.mp4"):
        check_available(options(folder, test=("b",)))
    with pytest.raises(MissingError, match="at least 3 are needed"):
        check_available(options(folder / "more", val=(), test=()))
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(MissingError, match="environment variable NOT_SET is not set"):
        resolve_root("${NOT_SET}/x", "videos")
    with pytest.raises(MissingError) as caught:
        resolve_root("${NOT_SET:-no_such}/x", "videos")
    said = str(caught.value)
    assert "data.root is 'no_such/x', which does not exist" in said
    assert "set NOT_SET to use another folder than no_such" in said and "${" not in said
    assert resolve_root("${NOT_SET:-" + str(folder) + "}/more", "videos") == folder / "more"
    monkeypatch.setenv("NOT_SET", str(folder))
    assert resolve_root("${NOT_SET:-elsewhere}", "videos") == folder


@needs_clips
def test_the_five_cuts_of_a_film_are_found_and_nothing_else_is(tmp_path):
    chosen = options(CLIPS, size=(36, 64), every=1, val=("signing",), test=("film_with_cuts",))
    split = open_split(chosen, "test", tmp_path)
    starts = {int(clip.id.split("@")[1]) for clip in split}
    skipped = set(range(358)) - starts
    # 156 is a flash of light, as bright a change as a cut.
    cuts = (51, 121, 156, 157, 220, 308)
    assert skipped == {start for cut in cuts for start in (cut - 1, cut)}
    assert split.counts["with a cut"] == 11


@needs_clips
@pytest.mark.slow
def test_no_false_cut_in_continuous_shots(tmp_path):
    chosen = options(CLIPS, size=(36, 64), val=("film_with_cuts",), test=("dog_play",))
    prepare(chosen, tmp_path)
    split = open_split(chosen, "train", tmp_path)
    assert len({clip.source for clip in split}) == 13
    assert "with a cut" not in split.counts
