"""Vimeo-90K's layout, on a small tree of real frames where the clips are present."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.datasets import vimeo90k
from tempo.data.datasets.photographs import PHOTOGRAPHS, read_rgb
from tempo.data.open_dataset import (
    check_available,
    forget_unreadable,
    open_split,
    prepare,
    published_lists,
)
from tempo.spec.data import Video, Vimeo90k, Vimeo90kSeptuplet

CLIPS = Path(os.environ.get("TEMPO_CLIPS", "../shared/data/clips"))


def real_triplets():
    """Triplets at 448x256 from the development clips, or crops of a photograph that slide."""
    if (CLIPS / "signing.mp4").is_file():
        from tempo.data.datasets.video import decode

        frames = []
        chosen = Video(root=str(CLIPS), every=1)
        for frame in decode(CLIPS / "signing.mp4", chosen):
            frames.append(frame.pixels)
            if len(frames) == 21:
                break
        return [frames[k : k + 3] for k in range(0, 21, 3)]
    picture = read_rgb(PHOTOGRAPHS["test"][0].path)
    return [[picture[k : k + 256, s : s + 448] for s in (0, 3, 6)] for k in range(0, 70, 10)]


NAMES = ["00001/0001", "00001/0002", "00002/0001", "00002/0003", "00003/0009"]
TEST = ["00004/0001", "00005/0002"]


@pytest.fixture
def root(tree, tmp_path):
    """A copy of the tree that a test may damage."""
    return Path(shutil.copytree(tree, tmp_path / "vimeo_triplet"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Five training and two test sequences, with the blank lines and line ends seen in the wild."""
    folder = tmp_path_factory.mktemp("tree")
    for name, triplet in zip(NAMES + TEST, real_triplets(), strict=True):
        (folder / "sequences" / name).mkdir(parents=True)
        for number, pixels in enumerate(triplet, 1):
            Image.fromarray(pixels).save(
                folder / "sequences" / name / f"im{number}.png", compress_level=1
            )
    (folder / "tri_trainlist.txt").write_bytes("\r\n".join([*NAMES, "", ""]).encode())
    (folder / "tri_testlist.txt").write_text("\n".join(["", *TEST, "  ", ""]))
    return folder


def options(root, **change):
    return Vimeo90k(root=str(root), **({"val_clips": 2} | change))


def test_the_layout_is_read_exactly(root, tmp_path):
    prepare(options(root), tmp_path / "cache")
    splits = {name: open_split(options(root), name, tmp_path / "cache") for name in
              ("train", "val", "test")}  # fmt: skip
    assert {name: len(split) for name, split in splits.items()} == {"train": 3, "val": 2, "test": 2}
    assert [clip.id for clip in splits["test"]] == TEST
    assert sorted(c.id for name in ("train", "val") for c in splits[name]) == NAMES
    clip = splits["test"][1]
    folder = root / "sequences" / TEST[1]
    np.testing.assert_array_equal(clip.frames[0], read_rgb(folder / "im1.png"))
    np.testing.assert_array_equal(clip.target, read_rgb(folder / "im2.png"))
    np.testing.assert_array_equal(clip.frames[1], read_rgb(folder / "im3.png"))
    assert clip.times == (0.0, 1.0)
    assert clip.target_time == 0.5
    assert clip.source == "00005"


def test_validation_does_not_depend_on_the_order_of_the_list(root):
    chosen = vimeo90k.sequences(options(root), "val")
    (root / "tri_trainlist.txt").write_text("\n".join(reversed(NAMES)))
    assert sorted(vimeo90k.sequences(options(root), "val")) == sorted(chosen)


def test_test_limit_is_another_split(root, tmp_path):
    one = open_split(options(root, test_limit=1), "test", tmp_path)
    assert [clip.id for clip in one] == TEST[:1]
    assert one.digest != open_split(options(root), "test", tmp_path).digest


def damage(root, name, how):
    path = root / "sequences" / name / "im2.png"
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        Image.new("RGB", (440, 256)).save(path)
    return path


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", "No such file"),
        ("truncated", "truncated"),
        ("empty", "is not an image"),
        ("small", "440x256, not 448x256"),
    ],
)
def test_a_bad_test_image_is_named_before_any_training(root, tmp_path, how, said):
    path = damage(root, TEST[-1], how)
    with pytest.raises(MissingError, match=said) as caught:
        prepare(options(root), tmp_path / "cache")
    assert str(path) in str(caught.value)
    assert "1 of 2 clips of the test split" in str(caught.value)


@pytest.mark.parametrize("how", ["missing", "truncated", "empty", "small"])
def test_a_bad_training_triplet_is_left_out_and_changes_the_digest(root, tmp_path, how):
    whole = open_split(options(root), "train", tmp_path / "whole")
    path = damage(root, whole[1].id, how)
    holed = open_split(options(root), "train", tmp_path / "holed")
    assert [clip.id for clip in holed] == [whole[0].id, whole[2].id]
    assert holed.counts == {"unreadable clips": 1}
    assert holed.skipped == (whole[1].id,)
    assert str(path) in holed.notes[0]
    assert holed.digest != whole.digest


def test_a_file_that_may_not_be_read_is_named_and_left_out(root, tmp_path, monkeypatch):
    name = vimeo90k.sequences(options(root), "train")[0]
    path = root / "sequences" / name / "im2.png"
    real = Image.open

    def guarded(file, *args, **more):
        # Root may read everything, so the refusal is played.
        if file == path:
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *args, **more)

    monkeypatch.setattr(Image, "open", guarded)
    split = open_split(options(root), "train", tmp_path)
    assert split.skipped == (name,)
    assert f"cannot read {path} (Permission denied)" in split.notes[0]


def test_too_many_bad_triplets_are_an_error_that_names_them_all(root, tmp_path):
    names = vimeo90k.sequences(options(root), "train")
    paths = [damage(root, name, "truncated") for name in names[:2]]
    with pytest.raises(MissingError, match="2 of 3 clips of the train split") as caught:
        open_split(options(root), "train", tmp_path)
    assert all(str(path) in str(caught.value) for path in paths)
    assert "at most 1% may be" in str(caught.value)


def test_a_repaired_triplet_is_read_again_when_asked(root, tmp_path, monkeypatch):
    monkeypatch.setattr("tempo.data.fingerprints.CHECKED", 1)
    name = vimeo90k.sequences(options(root), "train")[1]
    path = root / "sequences" / name / "im2.png"
    kept = path.read_bytes()
    damage(root, name, "truncated")
    assert len(open_split(options(root), "train", tmp_path)) == 2
    path.write_bytes(kept)
    # A sequence that is not looked into is read again by preparation.
    assert len(open_split(options(root), "train", tmp_path)) == 2
    assert forget_unreadable(options(root), tmp_path) == 1
    assert len(open_split(options(root), "train", tmp_path)) == 3
    assert forget_unreadable(options(root), tmp_path) == 0


def inverted(folder):
    """Invert every picture below a folder, under the same names."""
    for path in folder.rglob("*.png"):
        Image.fromarray(255 - read_rgb(path)).save(path, compress_level=1)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_other_pictures_under_the_same_names_are_another_split(root, tmp_path, split):
    before = open_split(options(root), split, tmp_path / "cache")
    assert open_split(options(root), split, tmp_path / "cache").digest == before.digest
    first = before[0]
    inverted(root / "sequences")
    after = open_split(options(root), split, tmp_path / "cache")
    assert after.digest != before.digest
    np.testing.assert_array_equal(after[0].target, 255 - first.target)


def test_a_copy_elsewhere_is_the_same_split_and_records_of_names_are_known(root, tmp_path):
    here = vimeo90k.plan_split(options(root), "test", tmp_path)
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    there = vimeo90k.plan_split(options(copy), "test", tmp_path)
    assert there.digest == here.digest
    # What Tempo recorded before it looked into the pictures.
    assert here.earlier_digest is not None
    assert here.earlier_digest.digest == short_hash({"split": "test", "names": TEST}, 16)
    assert here.earlier_digest.digest != here.digest


def test_what_is_missing_is_named_with_how_to_get_it(root, tmp_path):
    check_available(options(root))
    with pytest.raises(MissingError, match="published at"):
        check_available(options(tmp_path / "nothing"))
    with pytest.raises(MissingError, match="nothing is left to train on"):
        vimeo90k.sequences(options(root, val_clips=5), "train")
    (root / "tri_testlist.txt").write_text("\n\n")
    with pytest.raises(MissingError, match=r"tri_testlist\.txt names no sequence"):
        check_available(options(root))
    (root / "tri_testlist.txt").unlink()
    with pytest.raises(MissingError, match=r"cannot read .*tri_testlist\.txt"):
        check_available(options(root))
    (root / "tri_testlist.txt").write_text("00009/0001")
    with pytest.raises(MissingError, match=r"00009/0001/im1\.png is missing"):
        check_available(options(root))


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    """Three training and one test septuplet; frame k has the red 10 k."""
    folder = tmp_path_factory.mktemp("septuplets")
    names = ["00001/0001", "00001/0002", "00002/0001", "00003/0001"]
    for place, name in enumerate(names):
        (folder / "sequences" / name).mkdir(parents=True)
        for k in range(1, 8):
            pixels = np.full((256, 448, 3), (10 * k, place, 0), np.uint8)
            Image.fromarray(pixels).save(folder / "sequences" / name / f"im{k}.png")
    (folder / "sep_trainlist.txt").write_bytes("\r\n\r\n".join([*names[:3], ""]).encode())
    (folder / "sep_testlist.txt").write_text(names[3])
    return folder


def reds(clip):
    return [int(frame[0, 0, 0]) // 10 for frame in (*clip.frames, clip.target)]


def test_septuplets_show_four_frames_around_the_fourth(seven, tmp_path):
    splits = prepare(Vimeo90kSeptuplet(root=str(seven), val_clips=1), tmp_path)
    assert {name: len(split) for name, split in splits.items()} == {"train": 2, "val": 1, "test": 1}
    assert reds(splits["test"][0]) == [1, 3, 5, 7, 4]
    assert splits["test"][0].times == (0.0, 1 / 3, 2 / 3, 1.0)
    assert splits["train"].locate(0)[1].target_times == (0.5,)


def test_septuplets_at_any_time_and_other_inputs(seven, tmp_path):
    chosen = Vimeo90kSeptuplet(root=str(seven), val_clips=1, inputs=(1, 7), target_times="any")
    splits = prepare(chosen, tmp_path)
    shard, entry = splits["train"].locate(0)
    assert entry.target_times == tuple(k / 6 for k in range(1, 6))
    assert [int(shard.pixels[place][0, 0, 0]) // 10 for place in entry.targets] == [2, 3, 4, 5, 6]
    # Judging asks for the middle alone.
    assert reds(splits["val"][0]) == [1, 7, 4]
    assert splits["val"].locate(0)[1].targets == (1,)
    four = Vimeo90kSeptuplet(root=str(seven), val_clips=1)
    assert open_split(four, "train", tmp_path).digest != splits["train"].digest


@pytest.mark.parametrize("inputs", [(1,), (3, 1), (0, 7), (1, 8), (1, 4, 7), (1, 3), (5, 7)])
def test_inputs_surround_the_fourth_frame(inputs):
    with pytest.raises(ValueError, match="inputs"):
        Vimeo90kSeptuplet(inputs=inputs)


def test_the_lists_are_held_against_the_published_numbers(root):
    told = published_lists(options(root))
    assert {name: (count, expected) for name, (_, count, expected) in told.items()} == {
        "tri_trainlist.txt": (5, 51313),
        "tri_testlist.txt": (2, 3782),
    }
